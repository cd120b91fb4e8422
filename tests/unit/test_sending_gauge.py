"""The gauge of disabled sending: few series, and none that hides a disabled tenant."""

import pytest
from msgspec import Struct
from support import metrics_text

from worker.core.account_events import Scope
from worker.observability.http.sending import MOST_TENANTS, by_tenant


class Status(Struct):
    tenant: str = ""
    is_disabled: bool = True
    scope: Scope = Scope.TENANT


def test_before_anything_was_reported_the_account_and_the_others_send():
    assert by_tenant([]) == {"account": False, "other": False}


def test_each_tenant_and_the_account_have_a_series():
    found = by_tenant([Status("acme"), Status("bolt", False), Status(scope=Scope.ACCOUNT)])
    assert found == {"account": True, "other": False, "acme": True, "bolt": False}


def test_identities_and_configuration_sets_are_among_the_others():
    for scope in (Scope.IDENTITY, Scope.CONFIGURATION_SET):
        assert by_tenant([Status(scope=scope)]) == {"account": False, "other": True}


def test_a_tenant_is_disabled_if_it_is_in_any_region():
    for regions in ([True, False], [False, True]):
        assert by_tenant([Status("acme", disabled) for disabled in regions])["acme"]


def test_beyond_a_hundred_tenants_the_rest_are_the_others():
    found = by_tenant([Status(f"t{n}") for n in range(MOST_TENANTS + 50)])
    assert len(found) == MOST_TENANTS + 2
    assert found["other"]


def test_a_disabled_tenant_has_its_series_however_many_send():
    sending = [Status(f"t{n}", is_disabled=False) for n in range(10_000)]
    found = by_tenant([*sending, Status("acme")])
    assert found["acme"]
    assert not found["other"]
    assert len(found) == MOST_TENANTS + 2


@pytest.mark.parametrize("name", ["x" * 1_000_000, "a\nb\x1b[31m", "account", "other"])
def test_a_name_is_cut_and_printable_and_may_be_ours(name):
    (label,) = [name for name, disabled in by_tenant([Status(name)]).items() if disabled]
    assert len(label) <= 200
    assert label.isprintable()


def test_the_metrics_endpoint_has_it():
    work = metrics_text.Work()
    work.sending = [Status("acme")]
    _, metrics, _, _ = metrics_text.full(work)
    read = metrics.registry.get_sample_value
    assert read("ses_worker_sending_disabled", {"tenant": "acme"}) == 1
    assert read("ses_worker_sending_disabled", {"tenant": "account"}) == 0
    work.sending = None
    assert read("ses_worker_sending_disabled", {"tenant": "account"}) is None, "not known yet"
