"""The probe says which routes it tried, and why it did not try the others."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.cli import route_probe
from airflow_provider_mparticle.cli.route_probe import AFTER_SILENCE, NO_PROBE, RouteProbe, Verdict
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Fault, Simulator

pytestmark = pytest.mark.sends_anything(reason="the probe tries paths that may not exist")

# In the order in which the probe tries them.
PATHS = {
    "connections": "/connections",
    "data_models": "/data-models",
    "field_transformations": "/field-transformations",
    "pipelines": "/data-pipelines",
    "pipeline": "/data-pipelines/orders",
    "pipeline_status": "/orders/status",
    "pipeline_runs": "/status/runs",
}


def probed(simulator: Simulator) -> RouteProbe:
    """A probe that has tried the workspace of the simulator."""
    probe = RouteProbe(MParticleHook().get_conn())
    probe.probe_all()
    return probe


@pytest.mark.parametrize("silent", [None, "connections", "pipeline_status"])
def test_a_route_without_a_probe_is_not_tried(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, silent: str | None
) -> None:
    """The result of a route that a developer has just added must not blame mParticle."""
    monkeypatch.setattr(route_probe, "DEFAULT_ROUTES", {**DEFAULT_ROUTES, "new": "/new"})
    if silent:
        simulator.inject(Fault(path=PATHS[silent], lose="before", times=None))

    probe = probed(simulator)

    assert (Verdict.NOT_TRIED, NO_PROBE) == (probe.results["new"].verdict, probe.results["new"].text)
    assert bool(silent) is bool(probe.silence)


@pytest.mark.parametrize(
    "wrapped", ["connections", "data_models", "field_transformations", "pipelines", "pipeline_runs"]
)
@pytest.mark.parametrize("field", ["items", "data", "results"])
def test_a_list_in_an_object_answers_too(simulator: Simulator, field: str, wrapped: str) -> None:
    """A task reads it, so the doctor must not report it as a fault."""
    run = simulator.add_run("orders", "success")
    listed = [run] if wrapped == "pipeline_runs" else [{"id": "orders"}]
    simulator.inject(Fault(path=PATHS[wrapped], body={field: listed}))

    result = probed(simulator).results[wrapped]

    assert (Verdict.ANSWERS, listed) == (result.verdict, result.answer)


@pytest.mark.parametrize("silent", PATHS)
def test_only_the_route_that_was_tried_says_that_mparticle_stopped_answering(simulator: Simulator, silent: str) -> None:
    """The routes after it say that they were not tried, and no request is sent for them."""
    simulator.add_run("orders", "success")
    simulator.inject(Fault(path=PATHS[silent], lose="before", times=None))

    probe = probed(simulator)

    blamed = [name for name, result in probe.results.items() if "stopped answering" in result.text]
    later = [*PATHS][[*PATHS].index(silent) + 1 :]
    texts = {probe.results[name].text for name in later}
    assert [silent] == blamed
    assert Verdict.FAILED is probe.results[silent].verdict
    assert {Verdict.NOT_TRIED} >= {probe.results[name].verdict for name in later}
    assert texts <= {AFTER_SILENCE, "The list of pipelines does not answer."}
    assert simulator.requests[-1]["path"].endswith(PATHS[silent])
