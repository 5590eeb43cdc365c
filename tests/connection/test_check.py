"""The test of a connection reports what it did, or which step failed and why, and never raises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault

Tested = Callable[..., tuple[bool, str]]


@pytest.fixture
def tested(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Tested:
    """Test a connection to the simulator with some changed fields. The id is random, as for Airflow's form."""

    def test(extra: dict[str, Any] | None = None, **fields: Any) -> tuple[bool, str]:
        connection = {**simulator.airflow_connection(), **fields}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_XK2V9QRT", json.dumps(connection))
        token_cache.forget()
        return MParticleHook("xK2v9Qrt").test_connection()

    return test


def test_it_reports_what_it_did(tested: Tested, simulator: Simulator) -> None:
    """The user sees what a successful test has checked."""
    works, said = tested()

    assert works
    assert said.startswith("Logged in and read workspace 1234: ")
    assert said.endswith("Account 5678 has this workspace.")
    assert 3 == len(simulator.requests)


def test_a_misspelt_field_is_in_the_result(tested: Tested) -> None:
    """The user looks at the result, and not at the log of the API server."""
    works, said = tested(extra={"account_id": None, "accountId": 5678})

    assert works
    assert "Its extra has 'accountId', which is not a field: is account_id meant?" in said


def test_the_account_is_not_read_without_an_account_id(tested: Tested, simulator: Simulator) -> None:
    """Warehouse Sync does not need the account id."""
    works, said = tested(extra={"account_id": None})

    assert works
    assert "ccount" not in said
    assert 2 == len(simulator.requests)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"extra": {"workspace_id": "x"}}, "The connection is incomplete or malformed: "),
        ({"login": ""}, "The connection is incomplete or malformed: "),
        ({"password": "wrong"}, "The login failed. "),
        ({"extra": {"workspace_id": 99}}, "The login worked, but reading workspace 99 failed. "),
        ({"extra": {"account_id": 99}}, "But reading account 99 failed. "),
    ],
    ids=["malformed", "incomplete", "login", "workspace", "account"],
)
def test_it_reports_which_step_failed(tested: Tested, changes: dict[str, Any], step: str) -> None:
    """The user corrects a wrong secret and a wrong workspace in different places."""
    works, said = tested(**changes)

    assert not works
    assert step in said
    assert "xK2v9Qrt" not in said, "the random id of a form means nothing to the user"
    assert ("Nothing was sent" in said) is ("malformed" in step)


@pytest.mark.parametrize(("login", "password", "named"), [("{} ", "{}", "client id"), ("{}", "\t{}", "client secret")])
def test_white_space_around_a_credential_is_reported(
    tested: Tested, simulator: Simulator, login: str, password: str, named: str
) -> None:
    """White space is invisible in a form, and the form does not show the secret."""
    good = simulator.airflow_connection()

    works, said = tested(login=login.format(good["login"]), password=password.format(good["password"]))

    assert not works
    assert 1 == said.count(f"There is white space around the {named}: remove it.")
    assert good["password"] not in said


def test_a_refused_login_without_white_space_has_no_such_hint(tested: Tested) -> None:
    """A wrong hint would mislead the user."""
    assert "white space" not in tested(password="wr0ng")[1]


FAULTS = st.builds(
    Fault,
    path=st.sampled_from(["/oauth/token", "/connections", "/v1/workspace"]),
    status=st.sampled_from([400, 401, 403, 404, 408, 418, 429, 500, 502, 503, 504]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FAULTS)
def test_it_returns_a_text_after_every_failure(tested: Tested, simulator: Simulator, fault: Fault) -> None:
    """Airflow's form shows the returned text. It replaces an exception by its own error."""
    simulator.clear_faults() if hasattr(simulator, "clear_faults") else None
    simulator.inject(fault)

    works, said = tested()

    assert isinstance(works, bool)
    assert said
    assert "Traceback" not in said


def test_a_missing_connection_is_reported(tested: Tested) -> None:
    """The test does not raise, even if Airflow does."""
    works, said = MParticleHook("no_such_connection").test_connection()

    assert not works
    assert "does not exist. Create it, or correct the id. Nothing was sent" in said
