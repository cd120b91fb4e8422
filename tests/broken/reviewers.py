"""Broken workers chosen by a reviewer who had not seen the oracles: one function each.

@broken("name-of-the-worker", caught_by="I5")
def whatever() -> None:
    '''What it does wrong, in a sentence.'''
    ... patch a class or a module of `worker` ...
"""
