"""
The trigger that starts DAGs when a run of a pipeline ends that mParticle scheduled itself.

A triggerer imports this module in its event loop, so what takes longer is imported in a thread, when a trigger runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.triggers import BaseEventTrigger
from airflow.triggers.base import TriggerEvent

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.models import PipelineRun
    from airflow_provider_mparticle.runs.run_events import KnownEnds, RunsSeen
    from airflow_provider_mparticle.triggerer.listeners import Listeners

log = logging.getLogger(__name__)

Ending = Literal["success", "failed", "any"]
ENDINGS: Sequence[Ending] = ("success", "failed", "any")


class MParticlePipelineRunEventTrigger(BaseEventTrigger):
    """
    Fire an event for every run of a pipeline that ends; for an ``AssetWatcher``, so that DAGs start by it. Airflow 3.

    The first poll only notes which runs have ended by then. From Airflow 3.3 on, what has been told is kept in the
    asset state store: a run that ends while no triggerer runs is told afterwards, and no run is lost. If a triggerer
    dies in the second or two between storing an event and noting that, the event is repeated. Before Airflow 3.3
    nothing is kept: each start of a triggerer notes anew which runs have ended by then.

    The event's payload has what :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator`
    returns, and ``type`` and ``reasons``. The arguments are stored in plain text by Airflow; none is a secret.

    :param pipeline_id: Slug of the pipeline.
    :param ending: Which runs count: ``"success"`` (default), ``"failed"`` or ``"any"``.
    :param run_types: Words of mParticle for the type of the runs that count; None for all. A run of which mParticle
        gives no type counts, too. Default: ``("scheduled",)``, the runs that mParticle started by itself.
    :param poll_interval: Pause between two polls, in seconds. Watchers with the same connection and pause share one
        stream of polls. Default: 60.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``.
    :raises ValueError: *ending* or *poll_interval* is malformed.

    Source: Warehouse Sync API reference, "Get the status of all runs".
    """

    def __init__(
        self,
        pipeline_id: str,
        *,
        ending: Ending = "success",
        run_types: Sequence[str] | None = ("scheduled",),
        poll_interval: float = 60,
        mparticle_conn_id: str = "mparticle_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        if ending not in ENDINGS:
            raise ValueError(f"ending must be one of {', '.join(ENDINGS)}, not {ending!r}.")
        if not 0 < poll_interval < float("inf"):
            raise ValueError(f"poll_interval must be a positive number of seconds, not {poll_interval!r}.")
        if isinstance(run_types, str):
            raise ValueError(f"run_types must be a list of words, for example ['scheduled'], not {run_types!r}.")
        self.pipeline_id = pipeline_id
        self.ending = ending
        self.run_types = None if run_types is None else [*run_types]
        self.poll_interval = poll_interval
        self.mparticle_conn_id = mparticle_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to build this trigger again."""
        names = ("pipeline_id", "ending", "run_types", "poll_interval", "mparticle_conn_id")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable:
        """Return what names the stream of polls that this trigger shares (Airflow 3.3)."""
        return "mparticle", self.mparticle_conn_id, self.poll_interval

    @classmethod
    def create_shared_stream_producer(  # type: ignore[override]  # the class to inherit is not there before 3.3
        cls, kwargs: dict[str, Any]
    ) -> RunStream:
        """Return the stream that triggers of one key share; Airflow says when their events are stored (3.3)."""
        trigger = cls(**kwargs)
        return RunStream(trigger.mparticle_conn_id, trigger.poll_interval, _listeners(trigger.shared_stream_key()))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the events, polling alone: for an Airflow without shared streams."""
        from airflow_provider_mparticle.triggerer.listeners import Listeners

        listeners = Listeners()
        stream = RunStream(self.mparticle_conn_id, self.poll_interval, listeners)
        async for event in self._events((look async for look, _ in stream.open_stream()), listeners):
            yield event

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Look]) -> AsyncIterator[TriggerEvent]:
        """Yield the events of this trigger out of the stream that it shares."""
        async for event in self._events(shared_stream, _listeners(self.shared_stream_key())):
            yield event

    async def _events(self, looks: AsyncIterator[Look], listeners: Listeners) -> AsyncIterator[TriggerEvent]:
        await _import_feed()
        from airflow_provider_mparticle.runs.run_events import KnownEnds

        known = await self._load()
        with listeners.listening(self.pipeline_id):
            async for look in looks:
                if look.seen.pipeline_id != self.pipeline_id:
                    continue
                if known is None:
                    if not look.seen.is_month:  # it was on its way when this trigger came
                        continue
                    known = KnownEnds((*look.seen.ended,))
                    await self._save(known)
                for run in known.news(look.seen):
                    if self._is_wanted(run):
                        yield TriggerEvent(_payload(run))  # type: ignore[no-untyped-call]  # as above
                    # Only now is it sure that Airflow has taken the event; it is noted once Airflow has stored it.
                    known = known.after(run, look.seen)
                    look.when_stored[id(self)] = partial(self._save, known)

    def _is_wanted(self, run: PipelineRun) -> bool:
        from airflow_provider_mparticle.client.run_states import Progress
        from airflow_provider_mparticle.runs.run_events import matches

        endings = {"success": (Progress.SUCCEEDED,), "failed": (Progress.FAILED,), "any": tuple(Progress)}
        return matches(run, endings[self.ending], self.run_types)

    # What has been told already, in the asset state store (Airflow 3.3)

    @property
    def _store_key(self) -> str:
        # Another choice of runs begins anew, or all that it had left out before would be news.
        types = "all" if self.run_types is None else "-".join(sorted(self.run_types))
        return f"mparticle_known_ends.{self.pipeline_id}.{self.ending}.{types}"

    @property
    def _stores(self) -> list[Any]:
        """The stores of the assets that this trigger is watched for; none before Airflow 3.3."""
        accessors = getattr(self, "asset_state_store", None)
        # With several assets Airflow wants to be told which, but does not tell a trigger which there are.
        by_name = getattr(accessors, "_by_name", None) or {}
        return [*by_name.values()] or ([accessors] if accessors is not None else [])

    async def _load(self) -> KnownEnds | None:
        from airflow_provider_mparticle.runs.run_events import KnownEnds

        kept = [ids for store in self._stores if (ids := await store.aget(self._store_key)) is not None]
        return KnownEnds.from_json(*kept) if kept else None

    async def _save(self, known: KnownEnds) -> None:
        for store in self._stores:
            await store.aset(self._store_key, known.as_json())


class Look:
    """
    What one poll has shown, on its way to the triggers that share the stream.

    ``when_stored`` holds what each of them wants done as soon as Airflow has stored the events that it made of this.
    """

    def __init__(self, seen: RunsSeen) -> None:
        self.seen = seen
        self.when_stored: dict[int, Callable[[], Awaitable[None]]] = {}


class RunStream:
    """
    The stream that triggers share, as Airflow's ``SharedStreamProducer``, which only 3.3 and later have.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param poll_interval_s: Pause between two polls of a pipeline.
    :param listeners: The triggers that share it.
    """

    def __init__(self, mparticle_conn_id: str, poll_interval_s: float, listeners: Listeners) -> None:
        self._mparticle_conn_id = mparticle_conn_id
        self._poll_interval_s = poll_interval_s
        self._listeners = listeners

    async def open_stream(self) -> AsyncIterator[tuple[Look, Look]]:
        """Yield looks, each twice: for the triggers, and for `advance`."""
        feed = await _import_feed()
        async for seen in feed.runs_seen(self._mparticle_conn_id, self._poll_interval_s, self._listeners):
            look = Look(seen)
            yield look, look

    def get_advance_lane(self, look: Look) -> Hashable:
        """Return whose looks have to be noted in their order: those of one pipeline."""
        return look.seen.pipeline_id

    async def advance(self, batch: Sequence[Any]) -> None:
        """
        Note what Airflow has stored.

        Where one of the triggers has failed, nothing is noted, since Airflow does not say which: rather an event twice
        than none. An error here would end the stream of all, so it is logged only.
        """
        for item in batch:
            if item.outcome.failed:
                continue
            for note in item.broker_payload.when_stored.values():
                try:
                    await note()
                except Exception:
                    log.exception("What has been told could not be noted; it is noted with the next event.")

    async def aclose(self) -> None:
        """Close nothing: the client is closed when the stream of looks is."""


async def _import_feed() -> Any:
    # It imports aiohttp, which takes longer than an event loop should stand still.
    return await asyncio.to_thread(import_module, "airflow_provider_mparticle.triggerer.run_feed")


def _payload(run: PipelineRun) -> dict[str, Any]:
    return {**run.as_dict(), "type": run.type, "reasons": [*run.errors]}


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Listeners]] = WeakKeyDictionary()


def _listeners(key: Hashable) -> Listeners:
    from airflow_provider_mparticle.triggerer.listeners import Listeners

    by_key = _by_loop.setdefault(asyncio.get_running_loop(), {})
    if key not in by_key:
        by_key[key] = Listeners()
    return by_key[key]
