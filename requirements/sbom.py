"""Writes the bill of materials of an installation from `run.txt`: CycloneDX 1.6, as JSON.

The same lock file gives the same bytes: there is no time in it, and no address of a registry.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "run.txt"
NAME = "ses-feedback-worker"
_APPROVED = "License :: OSI Approved"
"""Names none."""
_CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Zope Public License": "ZPL-2.1",
}
_TEXTS = {"Apache-2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0", "MIT": "MIT"}
"""What older metadata say in place of an SPDX expression."""


def locked(text: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield name, version, marker and SHA-256 digests of each package in a lock file."""
    for statement in re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip()):
        requirement, *digests = re.split(r"\s+--hash=sha256:", statement.strip())
        pinned, _, marker = requirement.partition(";")
        name, _, version = pinned.strip().partition("==")
        yield name, version, marker.strip(), digests


def licence_of(name: str) -> str:
    """Return the SPDX expression of an installed package's licence; empty: none, or one unknown."""
    try:
        found = metadata(name)
    except PackageNotFoundError:  # of another platform
        return ""
    if expression := found.get("License-Expression"):
        return str(expression)
    classifiers = found.get_all("Classifier") or ()
    named = [text for text in classifiers if text.startswith("License ::") and text != _APPROVED]
    if any(text not in _CLASSIFIERS for text in named):
        return ""
    return " OR ".join(_CLASSIFIERS[text] for text in named) or _TEXTS.get(
        str(found.get("License")), ""
    )


def bill(text: str, version: str) -> dict[str, Any]:
    """Return the document for a lock file's text."""
    packages = list(locked(text))
    references = {name: f"pkg:pypi/{name}@{its}" for name, its, _, _ in packages}
    own = f"pkg:pypi/{NAME}@{version}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, own + text)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": own, "purl": own, "name": NAME, "version": version
            }
        },
        "components": [_component(*package, references) for package in packages],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(_needs(name, references))}
            for name, ref in [(NAME, own), *references.items()]
        ],
    }  # fmt: skip


def _component(
    name: str, version: str, marker: str, digests: list[str], references: dict[str, str]
) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": references[name],
        "name": name,
        "version": version,
        "purl": references[name],
        "scope": "optional" if marker or name.startswith("psycopg") else "required",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
    }
    licence = licence_of(name)
    return component | ({"licenses": [{"expression": licence}]} if licence else {})


def _needs(name: str, references: dict[str, str]) -> set[str]:
    """Return the references of the packages that a package needs, here or for an extra of ours."""
    try:
        found = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:
        return set()
    extras = ("", "postgresql", "binary", "crt")
    return {
        references[key]
        for item in found
        if (key := canonicalize_name(item.name)) in references
        if item.marker is None or any(item.marker.evaluate({"extra": extra}) for extra in extras)
    }


def main() -> None:
    """Print the bill."""
    sys.path.insert(0, str(ROOT))
    from worker import __version__  # noqa: PLC0415

    document = bill(LOCK.read_text(encoding="utf-8"), __version__)
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
