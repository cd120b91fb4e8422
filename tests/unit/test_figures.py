"""Figures name no person, whatever was written as a name."""

import pytest
from support.spellings import RAJ

from worker.core.counting import figures_of
from worker.core.naming import names_any


@pytest.mark.parametrize(
    "field", [2, 3, 5, 6], ids=["type", "subtype", "configuration set", "tenant"]
)
@pytest.mark.parametrize("what", ["bounce", "complaint", "delivery_delay"])
@pytest.mark.parametrize(
    "spelling", [RAJ, "raj%40example.com", "raj (at) example.com", "raj&#64;example.com"]
)
def test_an_address_in_a_name_is_masked_when_it_is_counted(field, what, spelling):
    fact = ["2026-11-30T09", what, "Permanent", "General", "example.com", "set", "shop", "", "", ""]
    fact[field] = f"x{spelling}"
    figures = figures_of({tuple(fact): 1})
    assert not [key for key in figures if names_any(key[3], [f"x{RAJ}"])]
    assert {key[3] for key in figures} >= {"", "example.com"}
