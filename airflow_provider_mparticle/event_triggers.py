"""
The trigger that starts DAGs when a run ends that mParticle scheduled itself.

A triggerer imports this module in its event loop, so it must not import anything slow at its top. The rest is imported
in a thread when a trigger runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from airflow.triggers.base import TriggerEvent

try:
    from airflow.triggers.base import BaseEventTrigger
except ImportError:  # Airflow 2; common-compat has it since 1.19, but Airflow's constraints pin older ones
    from airflow.triggers.base import BaseTrigger as BaseEventTrigger  # type: ignore[assignment, unused-ignore]  # as above

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.triggerer.listeners import Listeners
from airflow_provider_mparticle.triggerer.loading import load
from airflow_provider_mparticle.triggers import TriggerArgumentError, check_poll_interval

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.models import PipelineRun
    from airflow_provider_mparticle.runs.run_events import KnownEnds, RunsSeen

log = logging.getLogger(__name__)

Ending = Literal["success", "failed", "any"]
ENDINGS: Sequence[Ending] = ("success", "failed", "any")


class MParticlePipelineRunEventTrigger(BaseEventTrigger):
    """
    Send an event for every run of a pipeline that ends. Use it in an ``AssetWatcher`` to start DAGs. Needs Airflow 3.

    The first poll only records which runs have already ended. Since Airflow 3.3, the asset state store keeps which runs
    have been reported: if a run ends while no triggerer is running, its event is sent later, so no run is lost. If a
    triggerer dies in the one or two seconds between storing an event and recording that, the event is sent twice.
    Before Airflow 3.3 nothing is kept: after each start, the triggerer ignores the runs that have already ended.

    The payload of the event contains everything that
    :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator` returns, and also ``type`` and
    ``reasons``. Airflow stores the arguments in plain text, so none of them is a secret.

    :param pipeline_id: Slug of the pipeline.
    :param ending: Which runs are reported: ``"success"`` (default), ``"failed"`` or ``"any"``.
    :param run_types: Types of the runs that are reported, in mParticle's words, or None for all types. A run is also
        reported if mParticle does not give its type. Default: ``("scheduled",)``, the runs that mParticle started
        itself.
    :param poll_interval: Pause between two polls, in seconds. Watchers with the same connection and the same pause
        share their polls. Default: 60.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``.
    :raises TriggerArgumentError: An argument is malformed.

    Source: Warehouse Sync API reference, "Get the status of all runs".
    """

    def __init__(
        self,
        pipeline_id: str,
        *,
        ending: Ending = "success",
        run_types: Sequence[str] | None = ("scheduled",),
        poll_interval: float = 60,
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        if not isinstance(pipeline_id, str) or not pipeline_id.strip():
            raise TriggerArgumentError(f"pipeline_id must be the slug of a pipeline, not {pipeline_id!r}.")
        if not isinstance(ending, str) or ending not in ENDINGS:
            raise TriggerArgumentError(f"ending must be one of {', '.join(ENDINGS)}, not {ending!r}.")
        check_poll_interval(poll_interval)
        if run_types is not None and not _are_words(run_types):
            raise TriggerArgumentError(
                f"run_types must be a list of words, for example ['scheduled'], not {run_types!r}."
            )
        if not isinstance(mparticle_conn_id, str) or not mparticle_conn_id.strip():
            raise TriggerArgumentError(
                f"mparticle_conn_id must be the id of an Airflow connection, not {mparticle_conn_id!r}."
            )
        self.pipeline_id = pipeline_id.strip()
        self.ending = ending
        self.run_types = None if run_types is None else [word.strip() for word in run_types]
        self.poll_interval = poll_interval
        self.mparticle_conn_id = mparticle_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments, which Airflow stores to create this trigger again."""
        names = ("pipeline_id", "ending", "run_types", "poll_interval", "mparticle_conn_id")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable:
        """Return the key of the stream that this trigger shares with others (Airflow 3.3)."""
        return "mparticle", self.mparticle_conn_id, self.poll_interval

    @classmethod
    def create_shared_stream_producer(  # type: ignore[override]  # its base class does not exist before 3.3
        cls, kwargs: dict[str, Any]
    ) -> RunStream:
        """Return the stream for all triggers with one key. Airflow reports when their events are stored (3.3)."""
        trigger = cls(**kwargs)
        return RunStream(trigger.mparticle_conn_id, trigger.poll_interval, _listeners(trigger.shared_stream_key()))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll alone and yield the events, for Airflow versions without shared streams."""
        listeners = Listeners()
        stream = RunStream(self.mparticle_conn_id, self.poll_interval, listeners)
        async for event in self._events((item async for item, _ in stream.open_stream()), listeners):
            yield event

    async def filter_shared_stream(self, shared_stream: AsyncIterator[StreamItem]) -> AsyncIterator[TriggerEvent]:
        """Select the events of this trigger from the shared stream."""
        async for event in self._events(shared_stream, _listeners(self.shared_stream_key())):
            yield event

    async def _events(self, stream: AsyncIterator[StreamItem], listeners: Listeners) -> AsyncIterator[TriggerEvent]:
        await load()
        from airflow_provider_mparticle.runs.run_events import KnownEnds

        known = await self._load()
        with listeners.listening(self.pipeline_id):
            async for item in stream:
                if item.seen.pipeline_id != self.pipeline_id:
                    continue
                if known is None:
                    if not item.seen.is_month:  # this poll began before the trigger did
                        continue
                    known = KnownEnds((*item.seen.ended,))
                    await self._save(known)
                for run in known.news(item.seen):
                    if self._is_wanted(run):
                        yield TriggerEvent(_payload(run))  # type: ignore[no-untyped-call]  # as above
                    # Airflow has received the event only when the generator continues here. The run is recorded as
                    # reported after Airflow has stored the event.
                    known = known.after(run, item.seen)
                    item.when_stored[id(self)] = partial(self._save, known)

    def _is_wanted(self, run: PipelineRun) -> bool:
        from airflow_provider_mparticle.client.run_states import Progress
        from airflow_provider_mparticle.runs.run_events import matches

        endings = {"success": (Progress.SUCCEEDED,), "failed": (Progress.FAILED,), "any": tuple(Progress)}
        return matches(run, endings[self.ending], self.run_types)

    # Which runs have been reported, in the asset state store (Airflow 3.3)

    @property
    def _store_key(self) -> str:
        # Another choice of runs has another key. Otherwise all runs ignored so far would be reported. So has a pipeline
        # of the same id in another workspace, for which the asset may have a second watcher.
        types = "all" if self.run_types is None else "-".join(sorted(self.run_types))
        workspace = "" if self.mparticle_conn_id == DEFAULT_CONN_NAME else f".{self.mparticle_conn_id}"
        return f"mparticle_known_ends.{self.pipeline_id}.{self.ending}.{types}{workspace}"

    @property
    def _stores(self) -> list[Any]:
        """The stores of the assets whose watcher has this trigger; empty before Airflow 3.3."""
        accessors = getattr(self, "asset_state_store", None)
        # With several assets, Airflow requires the name of one, but gives a trigger no public list of the names.
        by_name = getattr(accessors, "_by_name", None) or {}
        return [*by_name.values()] or ([accessors] if accessors is not None else [])

    async def _load(self) -> KnownEnds | None:
        from airflow_provider_mparticle.runs.run_events import KnownEnds

        found = [ends for store in self._stores if (ends := await store.aget(self._store_key)) is not None]
        kept = [ends for ends in found if KnownEnds.is_json(ends)]
        if len(kept) < len(found):
            log.warning(
                "The entry %r of Airflow's asset state store is not a list of runs any more. The runs of pipeline %r "
                "that have ended before now do not start DAGs, unless another asset has such an entry.",
                self._store_key,
                self.pipeline_id,
            )
        return KnownEnds.from_json(*kept) if kept else None

    async def _save(self, known: KnownEnds) -> None:
        for store in self._stores:
            await store.aset(self._store_key, known.as_json())


class StreamItem:
    """
    The result of one poll, for the triggers that share the stream.

    ``when_stored`` has one function for each trigger, to be called when Airflow has stored the events of this item.
    """

    def __init__(self, seen: RunsSeen) -> None:
        self.seen = seen
        self.when_stored: dict[int, Callable[[], Awaitable[None]]] = {}


class RunStream:
    """
    The stream that triggers share. It implements Airflow's ``SharedStreamProducer``, which exists since Airflow 3.3.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param poll_interval_s: Pause between two polls of a pipeline, in seconds.
    :param listeners: The triggers that share the stream.
    """

    def __init__(self, mparticle_conn_id: str, poll_interval_s: float, listeners: Listeners) -> None:
        self._mparticle_conn_id = mparticle_conn_id
        self._poll_interval_s = poll_interval_s
        self._listeners = listeners

    async def open_stream(self) -> AsyncIterator[tuple[StreamItem, StreamItem]]:
        """Yield each item twice: for the triggers, and for `advance`."""
        await load()
        from airflow_provider_mparticle.triggerer.run_feed import runs_seen

        async for seen in runs_seen(self._mparticle_conn_id, self._poll_interval_s, self._listeners):
            item = StreamItem(seen)
            yield item, item

    def get_advance_lane(self, item: StreamItem) -> Hashable:
        """Return the pipeline: `advance` gets the items of one pipeline in their order."""
        return item.seen.pipeline_id

    async def advance(self, batch: Sequence[Any]) -> None:
        """
        Record which runs have been reported, after Airflow has stored their events.

        If a trigger failed, nothing is recorded for the item, because Airflow does not say which trigger failed. An
        event is then sent twice rather than lost. An error here would end the stream for all triggers, so it is only
        logged.
        """
        for item in batch:
            if item.outcome.failed:
                continue
            for record in item.broker_payload.when_stored.values():
                try:
                    await record()
                except Exception:  # broad: the store may raise anything, and an error would end the stream for all
                    log.exception("Could not record which runs have been reported. The next event records them too.")

    async def aclose(self) -> None:
        """Do nothing: the client is closed when the stream ends."""


def _are_words(words: Any) -> bool:
    """Return whether these are words, at least one. With none, a watcher would report nothing."""
    is_list = isinstance(words, list | tuple) and bool(words)
    return is_list and all(isinstance(word, str) and word.strip() for word in words)


def _payload(run: PipelineRun) -> dict[str, Any]:
    return {**run.as_dict(), "type": run.type, "reasons": [*run.errors]}


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Listeners]] = WeakKeyDictionary()


def _listeners(key: Hashable) -> Listeners:
    return _by_loop.setdefault(asyncio.get_running_loop(), defaultdict(Listeners))[key]
