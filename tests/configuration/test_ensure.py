"""One resource is ensured: created, reused or updated, with as few writes as possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_mparticle.client.errors import ConfigError, InvalidRequestError, MParticleError, ServerError
from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL, PIPELINE
from airflow_provider_mparticle.configuration.ensure import ensure, merged, update, validated
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Fault, Simulator

MODEL = {"id": "customers", "name": "Customers", "config": {"sql_query": "SELECT a FROM a.b.c"}}


@pytest.fixture
def hook(simulator: Simulator) -> MParticleHook:
    """A hook that is connected to the simulator."""
    return MParticleHook()


def made_sure(hook: MParticleHook, if_exists: Any = "update", **changes: Any) -> list[str]:
    """Ensure the data model, and return the fields that were set."""
    return ensure(hook, DATA_MODEL, validated(DATA_MODEL, {**MODEL, **changes}), if_exists, KeptForms())[1]


def test_a_resource_is_created_once_and_then_only_changed(hook: MParticleHook, simulator: Simulator) -> None:
    """Each call returns the fields that it has set."""
    assert ["type", "id", "name", "config"] == made_sure(hook)
    assert [] == made_sure(hook)
    assert ["name"] == made_sure(hook, name="All customers")

    assert (1, 1) == (simulator.count("POST", "/data-models"), simulator.count("PUT", "/data-models"))


def test_what_exists_is_taken_or_refused_as_asked(hook: MParticleHook, simulator: Simulator) -> None:
    """Neither sends a write."""
    made_sure(hook)

    assert [] == made_sure(hook, "reuse", name="Another")
    with pytest.raises(InvalidRequestError, match="already exists"):
        made_sure(hook, "fail")
    assert 0 == simulator.count("PUT", "/data-models")


def test_a_lost_answer_to_a_creation_is_read_again(hook: MParticleHook, simulator: Simulator) -> None:
    """The data model may have been created, and must not be created twice."""
    simulator.inject(Fault(method="POST", path="/data-models", lose="after"))

    assert made_sure(hook)

    assert 1 == simulator.count("POST", "/data-models")


def test_a_write_that_cannot_be_read_once_more_is_still_done(hook: MParticleHook, simulator: Simulator) -> None:
    """The read is only needed to learn in which form mParticle keeps values."""
    made_sure(hook)
    simulator.inject(Fault(method="GET", path="/data-models/customers", status=403, skip=1, times=None))

    assert ["name"] == made_sure(hook, name="All customers")


class Racing:
    """Sends calls; another writer acts right before the first creation."""

    def __init__(self, hook: MParticleHook, act: Callable[[], object]) -> None:
        self.hook = hook
        self.acts = [act]

    def send(self, call: Any) -> Any:
        """Send one call."""
        if call.method == "POST" and self.acts:
            self.acts.pop()()
        return self.hook.send(call)


@pytest.mark.parametrize("name", ["Customers", "Theirs"])
@pytest.mark.parametrize(("if_exists", "changed"), [("reuse", []), ("update", ["name"]), ("fail", None)])
def test_a_resource_that_another_writer_creates_at_the_same_moment_exists(
    hook: MParticleHook, simulator: Simulator, if_exists: Any, changed: list[str] | None, name: str
) -> None:
    """Two DAG runs may ensure the same resource at once. mParticle refuses the second creation."""
    racing = Racing(hook, lambda: made_sure(hook, name=name))
    wanted = validated(DATA_MODEL, MODEL)

    if changed is None:
        with pytest.raises(InvalidRequestError, match="already exists"):
            ensure(racing, DATA_MODEL, wanted, if_exists, KeptForms())
        return
    model, set_fields = ensure(racing, DATA_MODEL, wanted, if_exists, KeptForms())

    assert (changed if name == "Theirs" else []) == set_fields
    assert (name if if_exists == "reuse" else "Customers") == model.name
    assert 2 == simulator.count("POST", "/data-models")


def test_a_creation_that_is_refused_for_another_reason_stays_refused(hook: MParticleHook, simulator: Simulator) -> None:
    """The resource does not exist."""
    simulator.inject(Fault(method="POST", path="/data-models", status=422))

    with pytest.raises(InvalidRequestError):
        made_sure(hook)


def test_a_failed_creation_is_an_error(hook: MParticleHook, simulator: Simulator) -> None:
    """The resource does not exist, so the error is raised."""
    simulator.inject(Fault(method="POST", path="/data-models", status=500, times=None))

    with pytest.raises(ServerError):
        made_sure(hook)


def test_fields_are_completed_with_what_mparticle_has(hook: MParticleHook, simulator: Simulator) -> None:
    """A user gives only the key of a dict that changes; words are those of documents."""
    simulator.add_pipeline("hourly", schedule={"type": "interval", "frequency": "hourly", "delay": "1d"})
    have = hook.get_pipeline("hourly")

    fields = merged(PIPELINE, have, {"schedule": {"frequency": "daily"}, "state": "paused"})

    assert {"schedule": {"type": "interval", "frequency": "daily", "delay": "1d"}, "state": "paused"} == fields


def test_an_update_that_changes_nothing_sends_nothing(hook: MParticleHook, simulator: Simulator) -> None:
    """Not even if the key is unknown."""
    have = hook.get_pipeline("orders")

    assert (have, []) == update(hook, PIPELINE, have, {"state": "active"}, KeptForms())

    assert 0 == simulator.count("PUT", "")


def test_a_description_that_contains_itself_is_refused() -> None:
    """The error comes before anything is sent, and names the resource."""
    config: dict[str, Any] = {}
    config["config"] = config

    with pytest.raises(ConfigError, match="Data model 'customers': it is nested deeper"):
        validated(DATA_MODEL, {**MODEL, "config": config})


@pytest.mark.parametrize("query", ["SELECT b FROM a.b.c", "SELECT 'A' FROM a.b.c", "SELECT a FROM a.b.c LIMIT 1"])
def test_another_writers_resource_is_not_taken_for_ours_after_a_lost_answer(
    query: str, hook: MParticleHook, simulator: Simulator
) -> None:
    """Its query would then count as the form in which mParticle keeps ours, and never be a difference again."""
    kept, wanted = KeptForms(), validated(DATA_MODEL, MODEL)
    simulator.inject(Fault(method="GET", path="/data-models/customers", status=404))
    made_sure(hook, config={"sql_query": query})
    simulator.inject(Fault(method="GET", path="/data-models/customers", status=404))
    simulator.inject(Fault(method="POST", path="/data-models", lose="before", times=9))

    with pytest.raises(MParticleError):
        ensure(hook, DATA_MODEL, wanted, "update", kept)

    assert [] == kept.facts
    simulator.clear_faults()
    assert ["config"] == ensure(hook, DATA_MODEL, wanted, "update", kept)[1]


@pytest.mark.parametrize("other", [{"type": "on_demand"}, {"type": "once", "start": "2026-03-01"}])
def test_another_type_of_schedule_leaves_the_fields_of_the_old_one(
    other: dict[str, Any], hook: MParticleHook, simulator: Simulator
) -> None:
    """mParticle would refuse or keep a frequency with it."""
    simulator.add_pipeline("hourly-orders", schedule={"type": "interval", "frequency": "daily", "delay": "1d"})
    have = hook.get_pipeline("hourly-orders")

    assert {"schedule": other} == merged(PIPELINE, have, {"schedule": other})
