"""What is said of a route that was not tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_mparticle.cli.route_probe import Verdict, look_at_everything
from airflow_provider_mparticle.client import routes
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Fault, Simulator

pytestmark = pytest.mark.sends_anything(reason="the probe looks for routes where there may be none")


@pytest.mark.parametrize(("is_silent", "text"), [(False, "The doctor does not try"), (True, "stopped answering")])
def test_a_route_without_a_probe_is_not_called_silent(
    start_simulator: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch, is_silent: bool, text: str
) -> None:
    """A route that was added to the table says why it was not tried, and nothing about mParticle."""
    monkeypatch.setattr(routes, "DEFAULT_ROUTES", {**routes.DEFAULT_ROUTES, "new": "/new"})
    monkeypatch.setattr("airflow_provider_mparticle.cli.route_probe.DEFAULT_ROUTES", routes.DEFAULT_ROUTES)
    simulator = start_simulator()
    simulator.add_pipeline("orders")
    if is_silent:
        simulator.inject(Fault(path="/connections", lose="before", times=None))

    seen = look_at_everything(MParticleHook().get_conn())

    assert Verdict.NOT_TRIED == seen.looks["new"].verdict
    assert text in seen.looks["new"].text
    assert is_silent is bool(seen.silence)
