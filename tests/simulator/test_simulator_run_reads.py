"""The runs of an incremental pipeline read each row once, by its iterator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.habits import Habits
from airflow_provider_mparticle.simulator.workspace import Workspace

TABLE = "shop.public.orders"
START = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0
MODE = {"type": "incremental", "iterator_field": "UPDATED_AT", "iterator_data_type": "timestamp"}


class Pipeline:
    """An incremental pipeline in a workspace whose clock starts at 5 June 2025, midnight UTC."""

    def __init__(self, values: dict[Any, Any], from_is_inclusive: bool = True, **mode: Any) -> None:
        self.now = START + 4 * DAY
        self.workspace = Workspace(1, Habits(run_s=10, from_is_inclusive=from_is_inclusive), lambda: self.now)
        self.add(values)
        self.workspace.add_pipeline("orders", sync_mode={**MODE, **mode})

    def add(self, values: dict[Any, Any]) -> None:
        """Add rows from their keys and iterators."""
        rows = [{"id": key, "email": "a@x", "updated_at": value} for key, value in values.items()]
        self.workspace.add_source(TABLE, rows)

    def run(self) -> dict[str, Any]:
        """Trigger a run, and return it after its end."""
        run = self.workspace.trigger("orders")
        self.now += 10
        return self.workspace.show(run)

    def ingested(self) -> list[Any]:
        """Return the keys of all ingested rows, each as often as it was ingested."""
        return [key for key, times in self.workspace.ingested().items() for _ in range(times)]


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("inclusive", "first"), [(True, ["at", "after"]), (False, ["after"])])
def test_the_first_run_reads_from_from_on(inclusive, first):
    """The documentation says "everything after". Whether this includes ``from`` is an assumption."""
    values = {"before": instant(START - 1e-6), "at": instant(START), "after": instant(START + 1e-6)}
    pipeline = Pipeline(values, from_is_inclusive=inclusive, **{"from": "2025-06-01T00:00:00Z"})

    assert len(first) == pipeline.run()["successful_records"]
    assert first == pipeline.ingested()


@pytest.mark.parametrize(("options", "times"), [({}, 1), ({"from_is_inclusive": False}, 0)])
def test_the_simulator_takes_the_guess_as_an_option(options, times):
    """A test of a migration can use both. If ``from`` is included, there is no gap."""
    simulator = Simulator(**options)
    simulator.add_source(TABLE, [{"id": 1, "email": "a@x", "updated_at": "2025-06-01"}])
    simulator.add_pipeline("orders", sync_mode={**MODE, "from": "2025-06-01"})
    simulator.add_run("orders", "success")

    assert {1: times} == simulator.ingested()


@pytest.mark.parametrize("inclusive", [True, False])
def test_the_second_run_reads_only_what_is_newer_than_the_first_ones_end(inclusive):
    """A row exactly at the border belongs to the first run."""
    pipeline = Pipeline({"border": instant(START + 4 * DAY)}, from_is_inclusive=inclusive)
    pipeline.run()
    pipeline.add({"late": instant(START + 4 * DAY), "new": instant(START + 4 * DAY + 0.001)})

    assert 1 == pipeline.run()["successful_records"]
    assert ["border", "new"] == pipeline.ingested()


def test_a_row_newer_than_the_runs_logical_date_is_left_for_the_next_run():
    """The row was added between the trigger and the read."""
    pipeline = Pipeline({"soon": instant(START + 4 * DAY + 1)})

    assert [0, 1] == [pipeline.run()["successful_records"] for _ in range(2)]


def test_a_failed_run_leaves_its_rows_to_the_next_one():
    """The window of the next run begins where the last success ended."""
    pipeline = Pipeline({1: instant(START)})
    pipeline.workspace.script_next_run("orders", errors=["broken"])

    assert [0, 1] == [pipeline.run()["successful_records"] for _ in range(2)]


def test_a_blank_from_reads_everything_and_until_ends_it():
    """The first run backfills all of history; a row exactly at ``until`` is still read."""
    values = {"old": "1990-01-01", "at": "2025-06-01", "after": "2025-06-01T00:00:00.001Z"}

    pipeline = Pipeline(values, **{"from": "", "until": "2025-06-01"})
    pipeline.run()

    assert ["old", "at"] == pipeline.ingested()


def test_a_row_without_an_iterator_is_never_read():
    """Null is not an instant."""
    pipeline = Pipeline({"none": None, "some": "2025-06-01"})
    pipeline.run()

    assert ["some"] == pipeline.ingested()


@pytest.mark.parametrize(
    ("data_type", "before", "after"),
    [
        ("timestamp_unixtime_s", START - 1, START + 1),
        ("timestamp_unixtime_s", str(int(START - 1)), str(int(START + 1))),
        ("TIMESTAMP_UNIXTIME_MS", int(START * 1000) - 1, int(START * 1000) + 1),
        ("date", "2025-05-31", "2025-06-02"),
        ("timestamp_tz", "2025-06-01T01:00:00+02:00", "2025-05-31T23:00:00-02:00"),
        ("timestamp_ntz", "2025-05-31 23:59:59.999999", "2025-06-01 00:00:00.000001"),
    ],
)
def test_iterators_are_compared_as_instants(data_type, before, after):
    """Compared as texts, zones and numbers would be in the wrong order."""
    mode = {"from": "2025-06-01", "iterator_data_type": data_type}
    pipeline = Pipeline({"before": before, "after": after}, **mode)
    pipeline.run()

    assert ["after"] == pipeline.ingested()


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ({"iterator_field": "changed_at"}, "The query returns no column 'changed_at'"),
        ({"iterator_field": "email"}, "'a@x' in the iterator column 'email' is not a timestamp."),
        ({"iterator_data_type": "timestamp_unixtime_s"}, "is not a timestamp_unixtime_s."),
    ],
)
def test_an_iterator_that_cannot_be_compared_makes_the_run_fail(mode, sentence):
    """Otherwise a run that reads nothing, or everything, would look successful."""
    pipeline = Pipeline({1: "2025-06-01"}, **mode)

    ended = pipeline.run()

    assert ("failed", 0) == (ended["status"], ended["successful_records"])
    assert sentence in ended["errors"][0]["message"]


def test_an_hourly_pipeline_ingests_nothing_by_itself():
    """Schedules do not start runs in the simulator."""
    pipeline = Pipeline({1: "2025-06-01"})
    pipeline.workspace.add_pipeline("hourly", schedule={"type": "interval", "frequency": "hourly"})
    pipeline.now += 10 * DAY

    assert [] == pipeline.ingested() == pipeline.workspace.runs("hourly")
