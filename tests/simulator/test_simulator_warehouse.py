"""A run reads the simulator's warehouse once, and its rows count as ingested if it succeeds."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settable_clock import Clock

from airflow_provider_mparticle.simulator import Refusal, Simulator
from airflow_provider_mparticle.simulator.habits import Habits
from airflow_provider_mparticle.simulator.warehouse import QueryError, Warehouse
from airflow_provider_mparticle.simulator.workspace import Workspace

TABLE = "shop.public.orders"
ROWS = [{"id": 1, "email": "a@x"}, {"id": 2, "email": "b@x"}, {"id": 3, "email": "c@x"}]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workspace(clock) -> Workspace:
    """A workspace with three orders, in which a run reads after 2 s and ends after 10 s."""
    workspace = Workspace(1, Habits(run_s=10), clock)
    workspace.add_source(TABLE, ROWS)
    return workspace


def add(workspace: Workspace, sql: str, pipeline_id: str = "orders") -> None:
    """Add a full pipeline with this SQL, or change the SQL of an existing pipeline."""
    if not workspace.resources.has("pipeline", pipeline_id):
        workspace.add_pipeline(pipeline_id)
    workspace.settle()
    workspace.resources.update("data model", f"{pipeline_id}-model", {"config": {"sql_query": sql}})


def run(workspace: Workspace, clock: Clock, sql: str) -> dict:
    """Trigger a pipeline with this SQL, and return its run after its end."""
    add(workspace, sql)
    triggered = workspace.trigger("orders")
    clock.now += 10
    return workspace.show(triggered)


# What a run reads


@pytest.mark.parametrize(
    ("where", "keys"),
    [("", [1, 2, 3]), (" WHERE o.id >= 2", [2, 3]), (" WHERE o.email = 'a@x'", [1]), (" WHERE 0", [])],
)
def test_a_run_reads_what_its_sql_returns(workspace, clock, where, keys):
    """The records of a run and the ingested rows are those of a real query."""
    ended = run(workspace, clock, f"SELECT o.id FROM {TABLE} o{where}")

    assert ("success", len(keys), 0) == (ended["status"], ended["successful_records"], ended["failed_records"])
    assert {key: int(key in keys) for key in (1, 2, 3)} == workspace.ingested()


def test_sql_that_names_no_source_is_not_carried_out(workspace, clock):
    """A test that does not need rows can use any SQL."""
    ended = run(workspace, clock, "SELECT c.id FROM shop.public.customers c QUALIFY 1")

    assert ("success", 1000) == (ended["status"], ended["successful_records"])
    assert {1: 0, 2: 0, 3: 0} == workspace.ingested()


def test_a_table_in_a_text_is_not_named(workspace, clock):
    """Only names outside of texts and comments are tables."""
    assert 1000 == run(workspace, clock, f"SELECT '{TABLE}' AS source -- {TABLE}")["successful_records"]


def test_a_comment_at_the_end_does_not_hide_the_end_of_the_query(workspace, clock):
    """Tools that write SQL may add a comment at its end."""
    ended = run(workspace, clock, f"/* it's; */ SELECT o.id FROM {TABLE} o -- slice 7")

    assert ("success", 3) == (ended["status"], ended["successful_records"])


def test_a_row_that_a_query_returns_twice_is_ingested_twice(workspace, clock):
    """A join that multiplies rows sends duplicates."""
    run(workspace, clock, f"SELECT o.id FROM {TABLE} o UNION ALL SELECT o.id FROM {TABLE} o WHERE o.id = 2")

    assert {1: 1, 2: 2, 3: 1} == workspace.ingested()


def test_the_key_is_found_whatever_its_case(workspace, clock):
    """Some warehouses convert names to upper case, others to lower case."""
    run(workspace, clock, f"SELECT o.ID FROM {TABLE} o")

    assert {1: 1, 2: 1, 3: 1} == workspace.ingested()


def test_tables_can_be_joined(workspace, clock):
    """Every table that the SQL names is there, each with its own key."""
    workspace.add_source("shop.public.people", [{"email": "a@x"}, {"email": "z@x"}], key="email")
    run(workspace, clock, f"SELECT o.id, p.email FROM {TABLE} o JOIN shop.public.people p ON p.email = o.email")

    assert {1: 1, 2: 0, 3: 0, "a@x": 1, "z@x": 0} == workspace.ingested()


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (f"SELECT o.emial FROM {TABLE} o", "no such column: o.emial"),
        (f"SELECT o.id FROM {TABLE} o;", 'near ";": syntax error'),
        (f"SELECT 1); SELECT (o.id FROM {TABLE} o", "one statement"),
        (f"DELETE FROM {TABLE}", 'near "DELETE"'),
        (f"SELECT o.id FROM {TABLE} o, main.people", "no such table: main.people"),
        (f"SELECT '\ud800' FROM {TABLE}", "surrogates not allowed"),
    ],
)
def test_sql_that_sqlite_refuses_makes_the_run_fail_when_it_would_have_ended(workspace, clock, sql, sentence):
    """As in mParticle, which wraps the query: an error in it is noticed only when it runs."""
    add(workspace, sql)
    triggered = workspace.trigger("orders")
    clock.now += 9
    before = workspace.show(triggered)
    clock.now += 1
    after = workspace.show(triggered)

    assert ("running", []) == (before["status"], before["errors"])
    assert ("failed", 0) == (after["status"], after["successful_records"])
    assert sentence in after["errors"][0]["message"]
    assert {1: 0, 2: 0, 3: 0} == workspace.ingested()


# When it reads


def test_a_run_reads_once_when_it_leaves_the_queue(workspace, clock):
    """It uses the rows and the SQL of that time."""
    add(workspace, f"SELECT o.id FROM {TABLE} o WHERE 0")
    workspace.trigger("orders")
    clock.now += 1.9
    add(workspace, f"SELECT o.id FROM {TABLE} o WHERE o.id <> 3")
    workspace.add_source(TABLE, [{"id": 4}])
    clock.now += 0.1
    add(workspace, f"SELECT o.id FROM {TABLE} o")
    workspace.add_source(TABLE, [{"id": 5}])
    clock.now += 100
    workspace.settle()

    assert {1: 1, 2: 1, 3: 0, 4: 1, 5: 0} == workspace.ingested()


def test_other_sql_put_between_the_trigger_and_the_reading_is_what_the_run_reads(log_in):
    """If two tasks share a data model, the run of the first may read the slice of the second."""
    with Simulator(run_s=0.1) as simulator:
        caller = _one_order(simulator, log_in)
        simulator.script_next_run("orders", [("Triggered", 30), ("QUEUED", 10), ("running", 0), ("success", None)])
        caller.trigger()
        answer = caller.put("/data-models/orders-model", {"config": {"sql_query": f"SELECT id FROM {TABLE} WHERE 0"}})
        simulator.advance(40)

        assert 200 == answer.status_code
        assert (0, {1: 0}) == (simulator.runs("orders")[0]["successful_records"], simulator.ingested())


def test_other_sql_put_after_the_reading_does_not_matter(log_in):
    """The run has read by then, even if there was no request in between."""
    with Simulator(run_s=0.1) as simulator:
        caller = _one_order(simulator, log_in)
        simulator.script_next_run("orders", [("running", 20), ("success", None)])
        caller.trigger()
        caller.put("/data-models/orders-model", {"config": {"sql_query": f"SELECT id FROM {TABLE} WHERE 0"}})
        simulator.advance(20)

        assert (1, {1: 1}) == (simulator.runs("orders")[0]["successful_records"], simulator.ingested())


def _one_order(simulator, log_in):
    simulator.add_source(TABLE, [{"id": 1, "email": "a@x", "updated_at": datetime.now(UTC)}])
    simulator.add_pipeline("orders")
    return log_in(simulator)


@pytest.mark.parametrize("waiting", ["triggered", "queued"])
def test_a_run_that_never_leaves_the_queue_reads_nothing(workspace, clock, waiting):
    """The last state remains, regardless of its seconds."""
    workspace.add_pipeline("orders")
    workspace.script_next_run("orders", [(waiting, 0)])
    made = workspace.trigger("orders")
    clock.now += 100
    workspace.settle()

    assert made.reading is None


def test_a_run_that_was_put_in_reads_at_once(workspace):
    """A run from elsewhere, or a scheduled one, ingests as well."""
    add(workspace, f"SELECT o.id FROM {TABLE} o WHERE o.id = 1")
    workspace.add_run("orders", "success", "scheduled")
    add(workspace, f"SELECT o.id FROM {TABLE} o")

    assert {1: 1, 2: 0, 3: 0} == workspace.ingested()


# What counts as ingested


def test_rows_count_as_ingested_when_the_run_has_ended_well(workspace, clock):
    """Rows that a run has read are not accepted yet."""
    add(workspace, f"SELECT o.id FROM {TABLE} o")
    workspace.trigger("orders")
    clock.now += 9
    before = workspace.ingested()
    clock.now += 1

    assert ({1: 0, 2: 0, 3: 0}, {1: 1, 2: 1, 3: 1}) == (before, workspace.ingested())


def test_a_failed_run_ingests_nothing(workspace, clock):
    """A failure after the reading takes everything back."""
    add(workspace, f"SELECT o.id FROM {TABLE} o")
    workspace.script_next_run("orders", errors=["storage integration broke"])
    made = workspace.trigger("orders")
    clock.now += 10
    ended = workspace.show(made)

    assert ("failed", 0) == (ended["status"], ended["successful_records"])
    assert [{"message": "storage integration broke"}] == ended["errors"]
    assert {1: 0, 2: 0, 3: 0} == workspace.ingested()


def test_scripted_numbers_are_shown_and_real_ones_counted(workspace, clock):
    """A test may choose the numbers that are shown. The ingested rows are still counted correctly."""
    workspace.add_pipeline("orders")
    workspace.script_next_run("orders", successful_records=7)

    ended = run(workspace, clock, f"SELECT o.id FROM {TABLE} o")

    assert (7, 3) == (ended["successful_records"], sum(workspace.ingested().values()))


def test_rows_are_counted_for_one_pipeline_or_all(workspace, clock):
    """A migration replaces one pipeline by another, and together they must ingest each row once."""
    add(workspace, f"SELECT o.id FROM {TABLE} o WHERE o.id < 3", "first")
    add(workspace, f"SELECT o.id FROM {TABLE} o WHERE o.id >= 2", "second")
    workspace.trigger("first")
    workspace.trigger("second")
    clock.now += 10

    assert {1: 1, 2: 1, 3: 0} == workspace.ingested("first")
    assert {1: 1, 2: 2, 3: 1} == workspace.ingested()


def test_what_a_deleted_pipeline_ingested_stays_ingested(workspace, clock):
    """mParticle cannot undo the ingestion of a row."""
    run(workspace, clock, f"SELECT o.id FROM {TABLE} o")
    workspace.delete_pipeline("orders")

    assert {1: 1, 2: 1, 3: 1} == workspace.ingested("orders")


def test_the_rows_of_an_unknown_pipeline_cannot_be_counted(workspace):
    """A misspelt id must not look like a pipeline that ingested nothing."""
    with pytest.raises(Refusal, match="no pipeline 'ordres'"):
        workspace.ingested("ordres")


# The tables


def test_rows_are_added_by_every_call(workspace, clock):
    """New orders arrive during a test. Columns that a row leaves out are null."""
    workspace.add_source(TABLE, [{"id": 4}])

    assert 1 == run(workspace, clock, f"SELECT o.id FROM {TABLE} o WHERE o.email IS NULL")["successful_records"]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (datetime(2025, 3, 1, 12, 0, tzinfo=UTC), "2025-03-01 12:00:00+00:00"),
        (datetime(2025, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))), "2025-03-01 10:00:00.000005+00:00"),
        (datetime(2025, 3, 1, 12, 0), "2025-03-01 12:00:00+00:00"),
        (date(2025, 3, 1), "2025-03-01"),
    ],
)
def test_instants_are_stored_as_texts_in_utc(value, stored):
    """Texts of the same form can be compared as instants."""
    warehouse = Warehouse()
    warehouse.add("t.u", [{"id": 1, "at": value}])

    assert [(stored,)] == warehouse.query("SELECT x.at FROM t.u x").rows


@pytest.mark.parametrize(
    ("table", "rows", "key", "reason"),
    [
        ("", [{"id": 1}], "id", "table must be a name"),
        ("new", [], "id", "no such table"),
        ("new", [1], "id", "rows must be objects"),
        ("new", [{"order_id": 1}], "id", "no column 'id'"),
        ("new", [{"id": 1}], None, "key must be"),
        ("new", [{"id": {"a": 1}}], "id", "not supported"),
        ("new", [{"id": 2**64}], "id", "too large"),
        (TABLE, [{"id": 4}, {"id": 5, "colour": "red"}], "id", "no column named colour"),
    ],
)
def test_rows_that_do_not_fit_are_refused_as_a_whole(workspace, table, rows, key, reason):
    """A mistake in the setup of a test must be visible, and must not leave some of the rows behind."""
    with pytest.raises(Refusal, match=reason):
        workspace.add_source(table, rows, key)

    assert [1, 2, 3] == list(workspace.ingested())


def test_a_refused_table_is_not_there(workspace):
    """The corrected call must be able to give it other columns."""
    with pytest.raises(Refusal):
        workspace.add_source("new", [{"order_id": 7}])
    workspace.add_source("new", [{"number": 8}], key="number")

    assert {1: 0, 2: 0, 3: 0, 8: 0} == workspace.ingested()


def test_the_first_call_decides_on_the_key(workspace):
    """Later calls only add rows, and need not repeat it."""
    workspace.add_source("people", [{"email": "a@x"}], key="email")
    workspace.add_source("people", [{"email": "b@x"}])

    assert {1: 0, 2: 0, 3: 0, "a@x": 0, "b@x": 0} == workspace.ingested()


# The file


def test_another_process_can_read_the_file_while_the_simulator_serves(log_in, tmp_path):
    """Airflow's SqliteHook queries ``main.orders`` of the file that the simulator reads."""
    path = tmp_path / "warehouse.db"
    with Simulator(run_s=0, warehouse_path=path) as simulator, sqlite3.connect(path, timeout=0) as other:
        simulator.add_pipeline("orders")
        simulator.add_source("main.orders", [{"id": 1}])
        caller = log_in(simulator)
        caller.put("/data-models/orders-model", {"config": {"sql_query": "SELECT o.id FROM main.orders o"}})
        caller.trigger()
        reading = other.execute("SELECT id FROM main.orders")
        simulator.add_source("main.orders", [{"id": 2}])
        ingested = simulator.ingested()
        read = (reading.fetchall(), other.execute("SELECT id FROM main.orders").fetchall())
    other.close()

    assert ([(1,)], [(1,), (2,)]) == read
    assert {1: 1, 2: 0} == ingested


def test_a_table_that_is_in_the_file_is_used_as_it_is(tmp_path):
    """A user passes an existing file, or starts the simulator again with the same file."""
    path = tmp_path / "warehouse.db"
    for _ in range(2):
        simulator = Simulator(warehouse_path=str(path))
        simulator.add_source("main.orders", [{"id": len(simulator.ingested()) + 1}])

    simulator.add_source("main.orders", [])

    assert {1: 0} == {key: times for key, times in simulator.ingested().items() if key == 1}


ENDLESS = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT"


@pytest.mark.parametrize(
    "select",
    [
        "count(*) FROM n, t",
        "n.id FROM n, t",
        "max(a.id * b.id) FROM n a, n b, t",
        "n.id FROM n, t ORDER BY n.id DESC",
        "group_concat(n.id) FROM n, t",
        "hex(zeroblob(100000000)) FROM t",
    ],
)
def test_sql_without_an_end_fails_within_the_limits(select):
    """A mistake in a recursive query must not block every request, or fill the memory."""
    warehouse = Warehouse(max_seconds=0.3)
    warehouse.add("t", [{"id": 1}])

    with pytest.raises(QueryError, match=r"interrupted after 0.3 s|returns more than 1,000,000 rows|too big"):
        warehouse.query(f"{ENDLESS} {select}")


@given(
    step=st.sampled_from(["id + 1", "id * 2", "-id", "id", "id || 'x'"]),
    union=st.sampled_from(["UNION ALL", "UNION"]),
    aggregate=st.sampled_from(["count(*)", "sum(n.id)", "min(n.id)", "total(n.id)"]),
)
@settings(max_examples=15)
def test_any_recursive_query_ends(step, union, aggregate):
    """Whether a recursion ends cannot be read from its text, so the limit is on the time."""
    warehouse = Warehouse(max_seconds=0.1)
    warehouse.add("t", [{"id": 1}])
    sql = f"WITH RECURSIVE n(id) AS (SELECT 1 {union} SELECT {step} FROM n) SELECT {aggregate} AS id FROM n, t"

    with contextlib.suppress(QueryError):
        assert 1 == len(warehouse.query(sql).rows)
    assert 1 == len(warehouse.query("SELECT id FROM t").rows)


def test_a_warehouse_that_is_dropped_closes_its_database():
    """A test run makes thousands of simulators."""
    warehouse = Warehouse()
    warehouse.add("t", [{"id": 1}])
    database = warehouse._db
    del warehouse

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")
