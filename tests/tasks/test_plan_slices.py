"""The operator that plans slices: over SQLite where one hook is as good as another, in a DAG, over PostgreSQL."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseHook, BaseOperator, task
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.operators import MParticlePlanSlicesOperator
from dev.postgres import postgres

Execute = Callable[[Any], list[dict[str, str]]]
RANGE = {"start": "2025-01-01", "end": "2026-01-01T00:00:00Z"}
COUNT_SQL = "SELECT COUNT(*) FROM events WHERE at >= '{{ window_start }}' AND at < '{{ window_end }}'"


class SqliteHook(DbApiHook):
    """Any hook that runs SQL; it remembers its statements and connections."""

    conn_name_attr = "sqlite_conn_id"
    conn_type = "sqlite"

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.statements: list[str] = []
        self.connections = 0

    def get_conn(self) -> sqlite3.Connection:
        """Connect, and listen."""
        self.connections += 1
        connection = sqlite3.connect(self.file)
        connection.set_trace_callback(self.statements.append)
        return connection

    @property
    def counts(self) -> list[str]:
        """The statements, without those of transactions."""
        return [statement for statement in self.statements if "COUNT" in statement]


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteHook:
    """Connection ``warehouse``, to a table of ten rows in March and ten in August."""
    hook = SqliteHook(tmp_path / "warehouse.db")
    with closing(sqlite3.connect(hook.file)) as connection:
        connection.execute("CREATE TABLE events (at TEXT)")
        for at in ("2025-03-03 10:30:00+00:00", "2025-08-08 20:30:00+00:00"):
            connection.executemany("INSERT INTO events VALUES (?)", [(at,)] * 10)
        connection.commit()
    use_hook(monkeypatch, hook, "sqlite")
    return hook


def use_hook(monkeypatch: pytest.MonkeyPatch, hook: Any, conn_type: str) -> None:
    """Let every connection have this hook."""
    connection = SimpleNamespace(conn_type=conn_type, get_hook=lambda hook_params: hook)
    monkeypatch.setattr(BaseHook, "get_connection", lambda conn_id: connection)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the operator says; Airflow writes it elsewhere."""
    monkeypatch.setattr(MParticlePlanSlicesOperator, "log", logging.getLogger("operator"))
    caplog.set_level(logging.INFO, "operator")
    return caplog


@pytest.fixture
def pushed() -> dict[str, Any]:
    """What was pushed to XCom."""
    return {}


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch, pushed: dict[str, Any]) -> Execute:
    """Render an operator's fields and execute it."""
    safeguard = sys.modules[BaseOperator.__module__].ExecutorSafeguard
    monkeypatch.setattr(safeguard, "test_mode", True)
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))

    def run(operator: Any) -> Any:
        context = {"ti": ti, "params": {"start": "2025-01-01", "region": "EU"}}
        operator.render_template_fields(context)
        return operator.execute(context)

    return run


def planner(**arguments: Any) -> MParticlePlanSlicesOperator:
    """Plan the year, ten rows at a time."""
    given = {"table": "events", "time_column": "at"} if "count_sql" not in arguments else {}
    return MParticlePlanSlicesOperator(
        task_id="plan", sql_conn_id="warehouse", **{**RANGE, "max_records": 10, **given, **arguments}
    )


# What it returns


def test_slices_are_returned_for_expand_kwargs(execute: Execute, warehouse: SqliteHook, pushed: dict[str, Any]) -> None:
    """Their keys are the arguments of the operator that syncs a slice; the rows are in the report."""
    returned = execute(planner())

    edge = "2025-08-01T00:00:00+00:00"
    assert [
        {"window_start": "2025-01-01T00:00:00+00:00", "window_end": edge},
        {"window_start": edge, "window_end": "2026-01-01T00:00:00+00:00"},
    ] == returned
    assert [{**one, "rows": 10} for one in returned] == pushed["report"]


def test_a_template_counts_as_table_and_column_do(execute: Execute, warehouse: SqliteHook) -> None:
    """It is for what a table and a column do not say."""
    assert execute(planner()) == execute(planner(count_sql=COUNT_SQL))


def test_a_level_of_counts_shares_a_connection(execute: Execute, warehouse: SqliteHook) -> None:
    """To connect to a warehouse takes seconds."""
    execute(planner())

    assert 1 + 12 == len(warehouse.counts)
    assert 2 == warehouse.connections


def test_no_rows_no_slices(execute: Execute, warehouse: SqliteHook, log: pytest.LogCaptureFixture) -> None:
    """Airflow skips a task that is mapped over nothing, and the log says why."""
    assert [] == execute(planner(start="2020-01-01", end="2021-01-01"))
    assert "has no rows" in log.text


def test_start_and_end_are_templates(execute: Execute, warehouse: SqliteHook) -> None:
    """The user who triggers the DAG chooses the start."""
    (only,) = execute(planner(start="{{ params.start }}", end=datetime(2025, 4, 1), max_records=20))

    assert {"window_start": "2025-01-01T00:00:00+00:00", "window_end": "2025-04-01T00:00:00+00:00"} == only


def test_months_begin_in_the_time_zone(execute: Execute, warehouse: SqliteHook) -> None:
    """The slices then match the days of the business."""
    returned = execute(planner(time_zone="Europe/Berlin", end="2026-01-01"))

    assert "2025-07-31T22:00:00+00:00" == returned[0]["window_end"]


# What it says


def test_the_log_has_a_table_with_totals(
    execute: Execute, warehouse: SqliteHook, log: pytest.LogCaptureFixture
) -> None:
    """A user reads it before the runs begin."""
    execute(planner())

    assert "share of limit" in log.text
    assert "Slices: 2. Rows: 20. Limit of rows per slice: 10. Queries: 13." in log.text
    assert not [record for record in log.records if record.levelno >= logging.WARNING]


def test_more_slices_than_airflow_maps_are_told(
    execute: Execute, warehouse: SqliteHook, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's own message names neither the cause nor the remedy."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "1")

    execute(planner())

    assert "The plan has 2 slices, but Airflow maps a task over at most 1 ([core] max_map_length)" in log.text


def test_a_range_that_is_not_over_is_told(
    execute: Execute, warehouse: SqliteHook, log: pytest.LogCaptureFixture
) -> None:
    """The plan is made once; a user who gives such an end may have a reason."""
    execute(planner(end="2999-01-01", max_records=20))

    assert "The range ends in the future" in log.text


def test_counts_that_do_not_add_up_are_told(
    execute: Execute, warehouse: SqliteHook, log: pytest.LogCaptureFixture
) -> None:
    """A window_end that is counted, too, ingests rows twice."""
    midnight = "UPDATE events SET at = '2025-03-01 00:00:00+00:00' WHERE at < '2025-04'"
    with closing(sqlite3.connect(warehouse.file)) as connection:
        connection.execute(midnight)
        connection.commit()

    execute(planner(count_sql=COUNT_SQL.replace("<", "<=")))

    assert "had 20 rows, its parts 30" in log.text


def test_slices_that_do_not_fit_fail_the_task_but_the_plan_is_told(
    execute: Execute, warehouse: SqliteHook, pushed: dict[str, Any], log: pytest.LogCaptureFixture
) -> None:
    """A retry would count the same, and the rest of the plan may be of use."""
    with pytest.raises(AirflowFailException) as caught:
        execute(planner(max_records=9))

    assert "[2025-03-03T10:00:00+00:00, 2025-03-03T11:00:00+00:00) with 10 rows" in str(caught.value)
    assert "[2025-08-08T20:00:00+00:00, 2025-08-08T21:00:00+00:00) with 10 rows" in str(caught.value)
    assert [0, 10, 0, 10, 0] == [one["rows"] for one in pushed["report"]]
    assert "Slices: 5." in log.text


# The template


@pytest.mark.parametrize(
    ("count_sql", "told"),
    [
        (COUNT_SQL.replace("{{ window_start }}", "2025"), "ignores window_start"),
        (COUNT_SQL.replace("{{ window_end }}", "2025"), "ignores window_end"),
        (COUNT_SQL.replace("window_start", "window_start | ds"), "ignores window_start, or rounds it to more"),
        (COUNT_SQL + " AND region = {{ params.nowhere }}", "nowhere"),
        (COUNT_SQL + " AND region = {{ nowhere }}", "'nowhere' is undefined"),
        (COUNT_SQL + " AND region = {{ nowhere", "cannot be rendered"),
        ("nowhere.sql", "cannot be rendered: 'nowhere.sql' not found"),
    ],
)
def test_a_template_that_counts_something_else_is_refused_before_anything_is_sent(
    execute: Execute, warehouse: SqliteHook, tmp_path: Path, count_sql: str, told: str
) -> None:
    """An unknown variable would be an empty string, and the count that of all regions."""
    with (
        DAG("template", start_date=datetime(2025, 1, 1), schedule=None, template_searchpath=str(tmp_path)),
        pytest.raises(AirflowFailException, match=told),
    ):
        execute(planner(count_sql=count_sql))

    assert 0 == warehouse.connections


def test_a_template_has_the_task_s_context_and_days_do_for_slices_of_days(
    execute: Execute, warehouse: SqliteHook
) -> None:
    """The two bounds come on top, as datetimes that Airflow's filters take."""
    sql = "SELECT COUNT(*) FROM events WHERE at >= '{{ window_start | ds }}' AND at < '{{ window_end | ds }}'"

    execute(planner(count_sql=sql + " AND '{{ params.region }}' = 'EU'", granularity="day"))

    assert "at >= '2025-01-01' AND at < '2026-01-01' AND 'EU' = 'EU'" in warehouse.counts[0]


@pytest.mark.parametrize("native", [False, True], ids=["text", "native objects"])
def test_a_template_may_be_a_file(execute: Execute, warehouse: SqliteHook, tmp_path: Path, native: bool) -> None:
    """Long SQL has a file of its own, beside the DAG or in its search path."""
    (tmp_path / "count.sql").write_text(COUNT_SQL)

    with DAG(
        "template_file",
        start_date=datetime(2025, 1, 1),
        schedule=None,
        template_searchpath=str(tmp_path),
        render_template_as_native_obj=native,
    ):
        operator = planner(count_sql="count.sql")

    assert 2 == len(execute(operator))


@pytest.mark.parametrize("sql", ["SELECT 7", "SELECT COUNT(*), 1", "SELECT SUM(NULL)"])
def test_what_does_not_count_is_refused(execute: Execute, warehouse: SqliteHook, sql: str) -> None:
    """It reads no more than two rows to see it."""
    with pytest.raises(AirflowFailException, match="one row with one number"):
        execute(planner(count_sql=COUNT_SQL.replace("SELECT COUNT(*)", sql)))


# The arguments and the connection


@pytest.mark.parametrize(
    "arguments",
    [
        {"table": "events"},
        {"time_column": "at"},
        {},
        {"count_sql": COUNT_SQL, "table": "events"},
        {"count_sql": COUNT_SQL, "time_column": "at"},
        {"count_sql": COUNT_SQL, "table": "events", "time_column": "at"},
    ],
)
def test_a_table_with_its_column_or_a_query(arguments: dict[str, str]) -> None:
    """Both would leave open which of them counts; said when the DAG is parsed."""
    with pytest.raises(ConfigError, match="either count_sql, or table and time_column"):
        MParticlePlanSlicesOperator(task_id="plan", sql_conn_id="warehouse", **RANGE, **arguments)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("max_records", 0), ("max_records", "24"), ("granularity", "minute"), ("time_zone", "Mars"), ("time_zone", "/")],
)
def test_a_malformed_argument_is_refused_when_the_dag_is_parsed(argument: str, value: Any) -> None:
    """Not a year later, when the DAG is triggered."""
    with pytest.raises(ConfigError, match=argument.replace("_", ".")):
        planner(**{argument: value})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"start": "then"}, "start must be an ISO 8601 instant"),
        ({"end": "2024-01-01"}, "must start before it ends"),
        ({"table": "events WHERE 1=1 --"}, "table must be an identifier"),
        ({"time_column": "{{ 'a b' }}"}, "time_column must be an identifier"),
    ],
)
def test_a_malformed_template_field_is_refused_before_anything_is_sent(
    execute: Execute, warehouse: SqliteHook, arguments: dict[str, Any], told: str
) -> None:
    """They are known only when the task runs."""
    with pytest.raises(AirflowFailException, match=told):
        execute(planner(**arguments))

    assert 0 == warehouse.connections


def test_a_connection_that_runs_no_sql_is_refused(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the one to mParticle."""
    use_hook(monkeypatch, BaseHook(), "mparticle")

    with pytest.raises(AirflowFailException, match=r"'warehouse' has the type 'mparticle'.*BaseHook does not run SQL"):
        execute(planner())


@pytest.mark.parametrize("conn_type", ["nosuchwarehouse", "databricks", "google_cloud_platform"])
def test_a_provider_that_is_missing_is_named(
    execute: Execute, monkeypatch: pytest.MonkeyPatch, airflow_db: None, conn_type: str
) -> None:
    """Airflow says that of some, and an ImportError of others."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f'{{"conn_type": "{conn_type}"}}')

    with pytest.raises(AirflowFailException, match=rf"'warehouse' of type '{conn_type}' .* Install its provider"):
        execute(planner())


def test_without_common_sql_the_extra_is_named(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not a dependency: this is the one operator that needs it."""
    monkeypatch.setitem(sys.modules, "airflow.providers.common.sql.hooks.sql", None)

    with pytest.raises(AirflowFailException, match=r"pip install 'airflow-provider-mparticle\[common-sql\]'"):
        execute(planner())


@pytest.mark.parametrize(
    ("conn_type", "module", "name", "conn_id_name"),
    [
        ("databricks", "airflow.providers.databricks.hooks.databricks_sql", "DatabricksSqlHook", "databricks_conn_id"),
        ("google_cloud_platform", "airflow.providers.google.cloud.hooks.bigquery", "BigQueryHook", "gcp_conn_id"),
    ],
)
def test_a_warehouse_whose_connection_has_another_hook_gets_its_sql_hook(
    monkeypatch: pytest.MonkeyPatch, conn_type: str, module: str, name: str, conn_id_name: str
) -> None:
    """For these two types Airflow returns hooks that run no SQL."""
    made: list[dict[str, Any]] = []

    class Fake(DbApiHook):
        def __init__(self, **arguments: Any) -> None:
            made.append(arguments)

    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: Fake}))
    use_hook(monkeypatch, None, conn_type)

    hook = planner(hook_params={"schema": "shop"}).get_db_hook()

    legacy = {} if conn_type == "databricks" else {"use_legacy_sql": False}
    assert isinstance(hook, Fake)
    assert [{conn_id_name: "warehouse", "schema": "shop", **legacy}] == made


@pytest.mark.parametrize("conn_type", ["gcpbigquery", "databricks"])
def test_the_hook_says_how_instants_are_written(execute: Execute, warehouse: SqliteHook, conn_type: str) -> None:
    """BigQuery and Databricks want the type before the text, which SQLite does not know."""
    sent: list[str] = []
    warehouse.conn_type = conn_type
    warehouse.run = lambda queries, **_: sent.extend(queries) or [[(1,)]]

    execute(planner())

    assert "at >= TIMESTAMP '2025-01-01 00:00:00+00:00'" in sent[0]


def test_a_connection_that_does_not_exist_is_a_mistake_that_no_retry_cures(execute: Execute, airflow_db: None) -> None:
    """The message names the argument to correct."""
    with pytest.raises(AirflowFailException, match="connection 'warehouse', named by sql_conn_id, does not exist"):
        execute(planner())


@pytest.mark.parametrize("conn_type", ["snowflake", "redshift", "postgres"])
def test_a_column_of_text_is_refused(execute: Execute, warehouse: SqliteHook, conn_type: str) -> None:
    """These warehouses compare it by letters, and lose the row at exactly midnight."""
    warehouse.conn_type = conn_type

    with pytest.raises(
        AirflowFailException, match=r"time_column at of events contains text, such as '2025-03-03 10:30"
    ):
        execute(planner())

    assert [] == warehouse.counts


@pytest.mark.parametrize(
    ("time_column_type", "predicate"),
    [
        ("date", "at >= DATE '2025-01-01' AND at < DATE '2026-01-01'"),
        ("datetime", "at >= DATETIME '2025-01-01 00:00:00' AND at < DATETIME '2026-01-01 00:00:00'"),
        ("timestamp_unixtime_s", "at >= 1735689600 AND at < 1767225600"),
    ],
)
def test_the_literals_fit_the_type_of_the_time_column(
    execute: Execute, warehouse: SqliteHook, time_column_type: str, predicate: str
) -> None:
    """BigQuery refuses a TIMESTAMP against any of them."""
    sent: list[str] = []
    warehouse.conn_type = "gcpbigquery"
    warehouse.run = lambda queries, **_: sent.extend(queries) or [[(1,)]]

    execute(planner(time_column_type=time_column_type, granularity="day"))

    assert sent[0].endswith(predicate)


def test_a_column_of_days_is_cut_by_days_whatever_the_granularity(execute: Execute, warehouse: SqliteHook) -> None:
    """The default is an hour, and within a day the rows cannot be told apart."""
    with pytest.raises(AirflowFailException, match=r"cannot be cut at granularity='day': \[2025-03-03T00:00:00"):
        execute(planner(time_column_type="date", max_records=9))


def test_the_arguments_of_a_mapped_task_are_refused_when_it_runs(execute: Execute, warehouse: SqliteHook) -> None:
    """A constructor that raises while Airflow unmaps it would be retried."""
    with DAG("history", schedule=None, start_date=datetime(2026, 1, 1)):
        given = {"sql_conn_id": "warehouse", "table": "events", "time_column": "at", "start": "2025-01-01"}
        mapped = MParticlePlanSlicesOperator.partial(task_id="plan", granularity="days", **given).expand(end=["now"])

    operator = mapped.unmap({"end": "2026-01-01"})

    with pytest.raises(AirflowFailException, match="granularity must be one of"):
        execute(operator)
    assert [] == warehouse.statements


def test_all_of_time_can_be_planned(execute: Execute, warehouse: SqliteHook) -> None:
    """A user who does not know when a table begins asks for everything."""
    returned = execute(planner(start="0001-01-01", end="9999-12-31", time_zone="America/New_York"))

    assert "0001-01-01T00:00:00+00:00" == returned[0]["window_start"]
    assert "9999-12-31T00:00:00+00:00" == returned[-1]["window_end"]
    assert 250 > len(warehouse.counts)


# In a DAG


def test_a_task_is_mapped_over_the_slices(run_dag: Callable[[Any], Any], warehouse: SqliteHook, tmp_path: Path) -> None:
    """What it returns is what expand_kwargs takes."""
    run = run_dag(dag_that_collects(tmp_path / "collected", max_records=10))

    assert "success" == run.state
    assert [
        "2025-01-01T00:00:00+00:00 2025-08-01T00:00:00+00:00",
        "2025-08-01T00:00:00+00:00 2026-01-01T00:00:00+00:00",
    ] == (sorted((tmp_path / "collected").read_text().splitlines()))


def test_a_task_mapped_over_no_slices_is_skipped(
    run_dag: Callable[[Any], Any], warehouse: SqliteHook, tmp_path: Path
) -> None:
    """An empty range is not a failure."""
    run = run_dag(dag_that_collects(tmp_path / "collected", start="2020-01-01", end="2021-01-01"))

    assert {"plan": "success", "collect": "skipped"} == {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert not (tmp_path / "collected").exists()


def dag_that_collects(file: Path, **arguments: Any) -> DAG:
    """Write each slice into a file, with a task of its own."""
    with DAG("plan_and_collect", schedule=None, start_date=datetime(2025, 1, 1)) as dag:

        @task
        def collect(window_start: str, window_end: str) -> None:
            with file.open("a") as lines:
                lines.write(f"{window_start} {window_end}\n")

        collect.expand_kwargs(planner(**arguments).output)
    return dag


# PostgreSQL

# June 18th holds a third of all rows, and its 13th hour 200,000 of those besides its share.
SKEWED = """
CREATE TABLE events AS
SELECT timestamptz '2025-01-01 00:00+00' + i * interval '15.768 s' AS created_at FROM generate_series(0, 1999999) AS i
UNION ALL SELECT timestamptz '2025-06-18 00:00+00' + i * interval '0.108 s' FROM generate_series(0, 799999) AS i
UNION ALL SELECT timestamptz '2025-06-18 12:00+00' + i * interval '0.018 s' FROM generate_series(0, 199999) AS i;
CREATE INDEX ON events (created_at);
CREATE TABLE without_zone AS
SELECT created_at AT TIME ZONE 'UTC' AS created_at FROM events WHERE created_at < '2025-03-01+00';
ALTER DATABASE airflow SET timezone = 'Asia/Tokyo';
"""


@pytest.fixture(scope="module")
def skewed() -> Iterator[str]:
    """A real PostgreSQL with three million rows of 2025, one million of them on one day; its address."""
    pytest.importorskip("airflow.providers.postgres")
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own
        with postgres(Path(folder) / "files") as address:
            yield filled(address.replace("postgresql+psycopg2", "postgresql"))


def filled(address: str) -> str:
    """Make the tables."""
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(SKEWED)
        connection.commit()
    return address


@pytest.fixture
def rows_in(skewed: str, monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> Iterator[Callable[[str, str], int]]:
    """Lead Airflow's connection ``warehouse`` to PostgreSQL; count the rows of a slice without our code."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", skewed)
    with closing(psycopg2.connect(skewed)) as connection, connection.cursor() as cursor:

        def count(start: str, end: str) -> int:
            cursor.execute("SELECT COUNT(*) FROM events WHERE created_at >= %s AND created_at < %s", (start, end))
            return int(cursor.fetchone()[0])

        yield count


def planner_of_postgres(**arguments: Any) -> MParticlePlanSlicesOperator:
    """Plan over PostgreSQL, 250,000 rows at a time; the largest hour has 233,562."""
    return planner(**{"table": "public.events", "time_column": "created_at", "max_records": 250_000, **arguments})


@pytest.mark.parametrize(
    ("arguments", "at_most", "queries"),
    [
        ({}, 250_000, 1 + 12 + 6 + 7 + 24),
        ({"max_records": 100_000, "granularity": timedelta(minutes=10)}, 100_000, 1 + 2 * 51),
        ({"max_records": 1_100_000, "granularity": "day", "time_zone": "America/New_York"}, 1_100_000, 1 + 13 + 6),
    ],
    ids=["hours", "ten minutes", "days"],
)
def test_a_skewed_table_in_postgresql(
    execute: Execute,
    rows_in: Callable[[str, str], int],
    pushed: dict[str, Any],
    log: pytest.LogCaptureFixture,
    arguments: dict[str, Any],
    at_most: int,
    queries: int,
) -> None:
    """PostgreSQL agrees with the plan, slice by slice, and nothing is missing or twice."""
    returned = execute(planner_of_postgres(**arguments))

    report = pushed["report"]
    assert [one["rows"] for one in report] == [rows_in(**bounds) for bounds in renamed(returned)]
    assert 3_000_000 == sum(one["rows"] for one in report)
    assert at_most >= max(one["rows"] for one in report)
    assert all(left["rows"] + right["rows"] > at_most for left, right in pairwise(report))
    assert all(left["window_end"] == right["window_start"] for left, right in pairwise(returned))
    assert ("2025-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00") == (
        returned[0]["window_start"],
        returned[-1]["window_end"],
    )
    assert f"Queries: {queries}." in log.text


def renamed(slices: list[dict[str, str]]) -> list[dict[str, str]]:
    """The bounds by the names of ``rows_in``."""
    return [{"start": one["window_start"], "end": one["window_end"]} for one in slices]


def test_an_hour_that_is_too_large_is_named(
    execute: Execute, rows_in: Callable[[str, str], int], pushed: dict[str, Any]
) -> None:
    """With the figures that show what to do."""
    hour = "2025-06-18T12:00:00+00:00", "2025-06-18T13:00:00+00:00"
    rows = rows_in(*hour)

    with pytest.raises(AirflowFailException) as caught:
        execute(planner_of_postgres(max_records=100_000))

    assert f"[{hour[0]}, {hour[1]}) with {rows:,} rows" in str(caught.value)
    assert f"1 of {len(pushed['report'])} slices" in str(caught.value)
    assert [rows] == [one["rows"] for one in pushed["report"] if one["rows"] > 100_000]
    assert 3_000_000 == sum(one["rows"] for one in pushed["report"])


def test_a_template_plans_as_table_and_column_do_in_postgresql(
    execute: Execute, rows_in: Callable[[str, str], int]
) -> None:
    """The bounds render as PostgreSQL reads them."""
    sql = (
        "SELECT COUNT(*) FROM events "
        "WHERE created_at >= '{{ window_start }}' AND created_at < '{{ window_end.isoformat() }}'"
    )

    by_template = execute(planner(count_sql=sql, max_records=250_000))

    assert by_template == execute(planner_of_postgres())


def test_a_column_without_a_zone_is_utc_whatever_the_server_s_zone(
    execute: Execute, rows_in: Callable[[str, str], int], pushed: dict[str, Any]
) -> None:
    """The server of this table is in Tokyo."""
    execute(planner_of_postgres(table="without_zone", end="2025-02-01", max_records=10**6))

    assert [rows_in("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z")] == [one["rows"] for one in pushed["report"]]
