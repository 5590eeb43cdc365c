"""
What an earlier version has stored is read by this one: a deferred task outlives an upgrade of the provider.

``stored/`` has a file for each form in which versions have stored things. The newest is what this version stores. If a
change makes another form of it, add a file, and keep the old one together with the code that reads it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_events import KnownEnds
from airflow_provider_mparticle.runs.start_record import StartRecord
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.slices.data_model_lock import is_as_written, owner_of
from airflow_provider_mparticle.tasks.record_store import START_RECORD_KEY
from tests.upgrade.stored_forms import NOON, OWNER, RUN, stored_forms

VERSIONS = sorted((Path(__file__).parent / "stored").glob("*.json"), key=lambda path: Version(path.stem))


@pytest.fixture(params=VERSIONS, ids=lambda path: path.stem)
def stored(request: pytest.FixtureRequest) -> Any:
    """What one version has stored."""
    return json.loads(request.param.read_text())


def test_the_newest_file_has_what_this_version_stores() -> None:
    """Otherwise an upgrade from this version would not be tested."""
    newest = json.loads(VERSIONS[-1].read_text())
    del newest["origin"]

    assert newest == stored_forms(), f"Add a file beside {VERSIONS[-1]}, which other versions have to read."


@pytest.mark.parametrize("wait", ["a run", "the latest run", "a run that covers an instant"])
def test_a_trigger_goes_on_with_its_wait(stored: Any, wait: str, simulator: Simulator) -> None:
    """Airflow builds it from its class's name and its arguments, in whichever triggerer takes it over."""
    simulator.add_run("orders", "success")  # it gets the id 13325

    event = asyncio.run(_event(_built(stored["triggers"][wait], poll_interval=0.05)))

    assert ("success", 13325) == (event["status"], event["run"]["pipeline_run_id"])


def test_an_event_trigger_is_built(stored: Any) -> None:
    """A DAG's watcher is compared with the stored one by what it serializes to."""
    one = stored["triggers"]["an event trigger"]

    assert one == json.loads(json.dumps(_built(one).serialize()))


def test_an_event_resumes_its_task(stored: Any) -> None:
    """It may have been stored by a triggerer of another version."""
    for kind, event in stored["events"].items():
        outcome = Outcome.from_event(event)
        if kind == "success":
            assert RUN.as_dict() == outcome.result()
            continue
        with pytest.raises(MParticleError, match="What happened") as raised:
            outcome.result()
        assert (kind, 404, ("The warehouse is asleep.",)) == (
            type(raised.value).__name__,
            raised.value.status,
            raised.value.reasons,
        )


def test_a_retry_finds_the_record_of_its_first_try(stored: Any) -> None:
    """Without it the retry would start a second run."""
    record = StartRecord.from_json(stored["task state store"][START_RECORD_KEY])

    assert (13325, 3, True, NOON) == (record.pipeline_run_id, record.max_tries, record.is_finished, record.known_until)
    assert RUN.as_dict() == record.result


def test_ends_that_were_told_are_not_told_again(stored: Any) -> None:
    """A DAG would run twice for one run."""
    assert KnownEnds(("13325", "13326")) == KnownEnds.from_json(stored["asset state store"])


def test_the_lock_of_a_data_model_is_known(stored: Any) -> None:
    """Otherwise the next slice would overwrite SQL that a run is about to read."""
    sql = stored["SQL of a data model"]

    assert OWNER == owner_of(sql)
    assert is_as_written(sql)


def _built(stored: Any, **changes: Any) -> Any:
    """Return the trigger that Airflow makes of what was stored."""
    classpath, kwargs = stored
    module, _, name = classpath.rpartition(".")
    return getattr(import_module(module), name)(**{**kwargs, **changes})


async def _event(trigger: Any) -> Any:
    async with aclosing(trigger.run()) as events:
        return json.loads(json.dumps((await anext(events)).payload))
