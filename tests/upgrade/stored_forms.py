"""What this version stores in the metadata database, in the task state store and in mParticle: one example each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from airflow_provider_mparticle.client import errors
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.event_triggers import MParticlePipelineRunEventTrigger
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_events import KnownEnds
from airflow_provider_mparticle.runs.start_record import StartRecord
from airflow_provider_mparticle.slices.data_model_lock import LockOwner, marked
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.tasks.record_store import START_RECORD_KEY
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)
# So far away that no test meets it.
NEVER = 4102444800.0
DAY = Slice(datetime(2026, 11, 26, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC))
OWNER = LockOwner("backfill", "sync", "scheduled__2026-11-26T00:00:00+00:00", 3)
RUN = PipelineRun(
    "orders",
    13325,
    type="manual",
    state="success",
    progress=Progress.SUCCEEDED,
    started_on=NOON,
    ended_on=NOON,
    successful_records=1000,
    failed_records=0,
)
# Every kind of error that can end a wait.
ENDINGS = (
    errors.RunFailedError,
    errors.RunLostError,
    errors.RunTimeoutError,
    errors.AuthenticationError,
    errors.PermissionDeniedError,
    errors.NotFoundError,
    errors.TriggererError,
)


def stored_forms() -> dict[str, Any]:
    """Return the examples as JSON."""
    forms = {
        "triggers": {
            "a run": _stored(MParticlePipelineRunTrigger("mparticle_default", "orders", 13325, 60, NEVER)),
            "the latest run": _stored(
                MParticlePipelineRunTrigger("mparticle_default", "orders", None, 60, NEVER, 2.5, None, NOON, [600, 610])
            ),
            "a run that covers an instant": _stored(
                MParticlePipelineRunTrigger("mparticle_default", "orders", None, 60, NEVER, covers=NOON)
            ),
            "an event trigger": _stored(MParticlePipelineRunEventTrigger("orders")),
        },
        "events": {
            "success": Outcome(RUN.as_dict()).as_event(),
            **{cls.__name__: Outcome(RUN.as_dict(), _error(cls)).as_event() for cls in ENDINGS},
        },
        "task state store": {START_RECORD_KEY: _record().as_json()},
        "asset state store": KnownEnds(("13325", "13326")).as_json(),
        "SQL of a data model": marked("SELECT id FROM shop.orders", OWNER, DAY, 1),
    }
    stored: dict[str, Any] = json.loads(json.dumps(forms))
    return stored


def _stored(trigger: Any) -> list[Any]:
    return [*trigger.serialize()]


def _error(cls: type[errors.MParticleError]) -> errors.MParticleError:
    return cls("What happened. What to do.", pipeline_id="orders", status=404, reasons=("The warehouse is asleep.",))


def _record() -> StartRecord:
    return StartRecord(
        "orders",
        1795780800.0,
        known_run_ids=("13323", "13324"),
        max_tries=3,
        clear_number=1,
        pipeline_run_id=13325,
        waiting_since=1795780801.0,
        is_finished=True,
        slice_id=DAY.isoformat(),
        known_until=NOON,
        sent_at=(1795780800.5,),
        skew_s=-0.5,
        result=RUN.as_dict(),
    )
