"""Names in `policy.bounce_actions` that no bounce has are noticed, with the name that was meant."""

import pytest

from worker.observability.labels import BOUNCE_SUBTYPES
from worker.settings.bounce_names import ANY_TYPE, SUBTYPES, doubtful_names


def test_every_documented_name_and_every_wildcard_is_silent():
    names = [f"{kind}/{subtype}" for kind, those in SUBTYPES.items() for subtype in those]
    wildcards = [f"{kind}/*" for kind in SUBTYPES]
    assert list(doubtful_names([*names, *wildcards])) == []
    assert list(doubtful_names(map(str.lower, names))) == [], "whatever the case"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Transient/MesageTooLarge", "Transient/MessageTooLarge"),
        ("Permanent/OnAccountSupressionList", "Permanent/OnAccountSuppressionList"),
        ("Permanent/MessageTooLarge", "Transient/MessageTooLarge"),
        ("Transient/NoEmail", "Permanent/NoEmail"),
    ],
)
def test_a_misspelt_sub_type_and_the_sub_type_of_another_type_are_named_with_what_was_meant(
    name, meant
):
    (doubt,) = doubtful_names([name, "Transient/*"])
    assert doubt == (
        f'policy.bounce_actions: SES documents no bounce "{name}"; did you mean "{meant}"?'
    )


def test_a_sub_type_that_resembles_none_is_named_alone():
    (doubt,) = doubtful_names(["Transient/Xyz"])
    assert doubt.endswith('SES documents no bounce "Transient/Xyz"')


def test_the_labels_of_metrics_know_the_same_sub_types():
    documented = {subtype for those in SUBTYPES.values() for subtype in those} | set(ANY_TYPE)
    assert {subtype.lower() for subtype in documented} == BOUNCE_SUBTYPES
