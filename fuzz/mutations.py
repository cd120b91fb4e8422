"""Changes inputs a little, where nothing guides: in the test suite and in the benchmark."""

import random

_PIECES = (b'"', b"\\", b"{", b"[", b"\0", b"\xed\xa0\x80", b",")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change, leave out, repeat or exchange some bytes."""
    written = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(written) + 1)
        piece = bytes(written[at : at + chance.choice((1, 2, 4, 16))])
        match chance.randrange(4):
            case 0:
                written[at : at + len(piece)] = chance.randbytes(len(piece))
            case 1:
                del written[at : at + len(piece)]
            case 2:
                written[at:at] = piece * chance.choice((1, 2, 9))
            case _:
                written[at:at] = chance.choice(_PIECES)
    return bytes(written)
