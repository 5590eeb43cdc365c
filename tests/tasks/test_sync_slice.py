"""Which slice a task syncs, and what it refuses before anything is sent."""

from __future__ import annotations

import inspect
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException
from airflow.timetables.trigger import CronTriggerTimetable

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator
from airflow_provider_mparticle.simulator import Simulator

BERLIN = ZoneInfo("Europe/Berlin")
SQL = "SELECT id FROM shop.public.orders WHERE at >= '{{ window_start }}' AND at < '{{ window_end }}'"


def slice_operator(**options):
    usual = {"pipeline_id": "orders", "data_model_id": "orders-model", "sql": SQL, "poll_interval": 0.05}
    return MParticleSyncSliceOperator(task_id="sync", **{**usual, **options})


def run(operator, **context):
    """Execute as Airflow does, with the dates of a DAG run in the context."""
    ti = SimpleNamespace(
        dag_id="history",
        task_id="sync",
        run_id="manual__1",
        map_index=-1,
        max_tries=0,
        try_number=1,
        xcom_push=lambda **_: None,
    )
    dag_run = SimpleNamespace(
        start_date=datetime.now(UTC),
        clear_number=0,
        conf=context.pop("conf", {}),
        run_type=context.pop("run_type", None),
    )
    store = SimpleNamespace(get=print, set=print, delete=print)
    context = {"ti": ti, "dag_run": dag_run, "task_state_store": store, **context}
    return inspect.unwrap(type(operator).execute)(operator, context)


def sql_in(simulator: Simulator) -> str:
    return simulator.stored("data model", "orders-model")["config"]["sql_query"]


DAY = {"window_start": "2026-01-01", "window_end": "2026-01-02"}
INTERVAL = {
    "data_interval_start": datetime(2026, 2, 1, tzinfo=UTC),
    "data_interval_end": datetime(2026, 2, 2, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("options", "context", "start", "end"),
    [
        (DAY, {"conf": {"window_start": "2026-03-01", "window_end": "2026-03-02"}}, "2026-01-01", "2026-01-02"),
        ({}, {"conf": DAY, **INTERVAL}, "2026-01-01", "2026-01-02"),
        ({}, INTERVAL, "2026-02-01", "2026-02-02"),
        ({"granularity": "month"}, {"partition_date": datetime(2026, 2, 1, tzinfo=UTC)}, "2026-02-01", "2026-03-01"),
        ({"granularity": "week"}, {"logical_date": datetime(2026, 1, 8, 5, tzinfo=UTC)}, "2026-01-05", "2026-01-12"),
    ],
    ids=["arguments", "conf", "data interval", "partition date", "logical date"],
)
def test_the_slice_comes_from_the_first_source_that_has_one(simulator, options, context, start, end):
    """Bounds of a user have precedence over the dates of Airflow."""
    result = run(slice_operator(**options), **context)

    assert (f"{start}T00:00:00+00:00", f"{end}T00:00:00+00:00") == (result["window_start"], result["window_end"])
    assert f"at >= '{start} 00:00:00+00:00' AND at < '{end} 00:00:00+00:00'" in sql_in(simulator)
    assert 1 == simulator.starts("orders")


def test_days_are_those_of_the_dag_s_time_zone(simulator):
    """The day on which clocks go forward has 23 hours."""
    dag = SimpleNamespace(timezone=BERLIN)

    result = run(slice_operator(granularity="day"), dag=dag, logical_date=datetime(2026, 3, 28, 23, tzinfo=UTC))

    assert ("2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00") == (result["window_start"], result["window_end"])


@pytest.mark.parametrize(
    ("options", "context", "said"),
    [
        ({}, {}, "does not say which slice"),
        ({}, {"logical_date": datetime(2026, 1, 1, tzinfo=UTC)}, "granularity"),
        ({"window_start": "2026-01-01"}, {}, "window_end"),
        ({"window_start": "soon", "window_end": "2026-01-01"}, {}, "'soon'"),
        ({"window_start": "2026-01-02", "window_end": "2026-01-01"}, {}, "must lie before"),
        ({**DAY, "granularity": "fortnight"}, {}, "fortnight"),
        ({"granularity": "fortnight"}, {"logical_date": datetime(2026, 1, 1, tzinfo=UTC)}, "fortnight"),
        ({**DAY, "sql": "SELECT id FROM shop.public.orders"}, {}, "sql ignores window_start"),
        ({**DAY, "sql": "SELECT 1 FROM a.b WHERE at > '{{ window_start }}'"}, {}, "sql ignores window_end"),
        ({**DAY, "sql": SQL + " AND x = {{ widnow }}"}, {}, "widnow"),
        ({**DAY, "sql": "SELECT {{ window_start"}, {}, "cannot be rendered"),
        ({**DAY, "time_column": "o.at"}, {}, "time_column"),
        ({**DAY, "time_column": "None", "sql": "SELECT * FROM a.b"}, {}, "time_column was rendered to 'None'"),
        ({**DAY, "time_column": ""}, {}, "time_column was rendered to ''"),
        ({**DAY, "time_column": "true", "sql": "SELECT * FROM a.b"}, {}, "time_column true is not a column"),
        ({**DAY, "time_column": "at", "sql": "DELETE FROM a.b"}, {}, "sql is not a query"),
        ({**DAY, "time_column": "at", "sql": ""}, {}, "sql renders to nothing"),
        ({**DAY, "sql": SQL + "{{ 1 / 0 }}"}, {}, "division by zero"),
        ({**DAY, "sql": SQL + "{{ lookup() }}"}, {"lookup": lambda: object()}, "another text each time"),
        ({}, {"conf": ["2026-01-01"]}, "conf must be an object"),
        ({"window_start": 10**400, "window_end": "2026-01-01"}, {}, "must be an ISO 8601 instant"),
        ({**DAY, "if_running": "attach"}, {}, "if_running"),
        ({**DAY, "if_running": "skip"}, {}, "if_running"),
        ({**DAY, "min_records": -1}, {}, "min_records"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_changed_or_started(simulator, options, context, said):
    """Every slice costs money and cannot be undone."""
    with pytest.raises((AirflowFailException, ConfigError), match=said):
        run(slice_operator(**options), **context)

    assert 0 == simulator.count("PUT", "") == simulator.count("POST", "/trigger")


@pytest.mark.parametrize("date", ["partition_date", "logical_date"])
def test_a_slice_that_has_not_ended_is_refused(simulator, date):
    """Airflow 3 runs a daily DAG at the start of the day of its logical date."""
    with pytest.raises(AirflowFailException, match="has not ended"):
        run(slice_operator(granularity="day"), **{date: datetime.now(UTC)})

    assert 0 == simulator.starts("orders")


def test_a_slice_that_ends_in_the_future_is_synced_if_the_user_sets_it(simulator):
    """Clocks differ, and some rows have dates in the future."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    run(slice_operator(window_start="2026-01-01", window_end=tomorrow))

    assert 1 == simulator.starts("orders")


def test_the_predicate_is_built_for_the_pipeline_s_warehouse(start_simulator):
    """The literal of an instant differs from warehouse to warehouse."""
    simulator = start_simulator(run_s=0.1)
    simulator.add_pipeline("orders")

    run(slice_operator(sql="SELECT id, at FROM shop.public.orders", time_column="at", **DAY))

    assert "WHERE at >= '2026-01-01 00:00:00+00:00' AND at < '2026-01-02 00:00:00+00:00'" in sql_in(simulator)


def test_sql_may_be_in_a_file_beside_the_dag(simulator, tmp_path):
    """Other operators of Airflow support this too."""
    (tmp_path / "orders.sql").write_text(SQL)
    with DAG("history", schedule=None, template_searchpath=str(tmp_path)) as dag:
        operator = slice_operator(sql="orders.sql", **DAY)

    run(operator, dag=dag)

    assert "at >= '2026-01-01 00:00:00+00:00'" in sql_in(simulator)


def test_one_slice_at_a_time_is_the_default_for_mapped_tasks_too():
    """Mapped tasks share the data model, too."""
    with DAG("history", schedule=None):
        single = slice_operator()
        options = {"pipeline_id": "orders", "data_model_id": "orders-model", "sql": SQL}
        mapped = MParticleSyncSliceOperator.partial(task_id="mapped", **options).expand_kwargs([DAY])
        wider = MParticleSyncSliceOperator.partial(task_id="wider", max_active_tis_per_dag=2, **options).expand_kwargs(
            [DAY]
        )

    assert (1, 1, 2) == (single.max_active_tis_per_dag, mapped.max_active_tis_per_dag, wider.max_active_tis_per_dag)


@pytest.mark.parametrize("option", [{"wait_for_completion": False}, {"skip_if_covered": True}])
def test_a_slice_is_always_waited_for(option):
    """Otherwise the next slice could replace its SQL."""
    with pytest.raises(TypeError):
        slice_operator(**option)


# The timetable, the time column and the comparison


@pytest.fixture
def said(monkeypatch, caplog):
    """The log of the operator, which Airflow writes to its own logger."""
    monkeypatch.setattr(MParticleSyncSliceOperator, "log", logging.getLogger("operator"))
    caplog.set_level(logging.INFO, "operator")
    return caplog


def exact(at):
    """The dates of a DAG run of Airflow 3's cron."""
    return {"logical_date": at, "data_interval_start": at, "data_interval_end": at}


def cron(expression, zone="UTC"):
    return DAG("history", schedule=CronTriggerTimetable(expression, timezone=zone), start_date=datetime(2026, 1, 1))


def test_months_begin_in_the_zone_of_the_timetable(simulator):
    """The DAG's start date names no zone, so the DAG says UTC, where April in London begins in March."""
    april = datetime(2026, 4, 1, tzinfo=ZoneInfo("Europe/London"))

    result = run(
        slice_operator(granularity="month"), dag=cron("0 0 1 * *", "Europe/London"), **exact(april - timedelta(days=31))
    )

    assert ("2026-03-01T00:00:00+00:00", "2026-03-31T23:00:00+00:00") == (result["window_start"], result["window_end"])


@pytest.mark.parametrize(
    ("expression", "granularity", "hour"),
    [("0 * * * *", "day", 5), ("0 */6 * * *", "day", 6), ("0 */6 * * *", "day", 18)],
)
def test_a_slice_that_other_dag_runs_have_too_is_refused(simulator, expression, granularity, hour):
    """Its rows would be ingested 24 times, and all tasks would succeed."""
    at = datetime(2026, 1, 5, hour, tzinfo=UTC)

    with pytest.raises(AirflowFailException, match=r"the same slice, \[2026-01-0.*\) and \[2026-01-0.*\)"):
        run(slice_operator(granularity=granularity), dag=cron(expression), **exact(at))

    assert 0 == simulator.count("PUT", "") == simulator.starts("orders")


@pytest.mark.parametrize("run_type", ["manual", "operator_triggered", "asset_materialization"])
def test_a_dag_run_that_a_user_or_another_dag_asked_for_may_repeat_a_slice(simulator, run_type):
    """It may have any data interval, and the schedule does not change."""
    timetable = CronTriggerTimetable("0 0 * * *", timezone="UTC", interval=timedelta(days=1))
    at = datetime(2026, 1, 5, 10, 37, tzinfo=UTC)
    dates = {"logical_date": at, "data_interval_start": at - timedelta(days=1), "data_interval_end": at}
    dag = DAG("history", schedule=timetable, start_date=datetime(2026, 1, 1))

    run(slice_operator(), dag=dag, run_type=run_type, **dates)
    with pytest.raises(AirflowFailException, match="slices that overlap"):
        run(slice_operator(), dag=dag, run_type="backfill", **dates)

    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize(
    ("expression", "granularity", "gap"),
    [
        ("0 0 31 * *", "month", "[2026-02-01T00:00:00+00:00, 2026-03-01T00:00:00+00:00)"),
        ("0 0 31 * *", "hour", "[2026-01-31T01:00:00+00:00, 2026-03-31T00:00:00+00:00)"),
    ],
)
def test_a_gap_after_a_slice_is_a_warning(simulator, said, expression, granularity, gap):
    """The gap may be intended, or its rows are never ingested."""
    at = datetime(2026, 1, 31, tzinfo=UTC)

    run(slice_operator(granularity=granularity), dag=cron(expression), **exact(at))

    assert f"No DAG run of this schedule has the slice {gap}" in said.text
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize(
    ("start", "end"),
    [("0001-01-01", "2026-01-01"), ("2026-01-01", "9999-12-31"), ("0001-01-01", "9999-12-31T23:59:59Z")],
)
@pytest.mark.parametrize("options", [{}, {"sql": "SELECT id, at FROM shop.public.orders", "time_column": "at"}])
def test_extreme_bounds_are_synced(simulator, start, end, options):
    """They stand for "from the beginning" and "for ever"."""
    result = run(slice_operator(window_start=start, window_end=end, **options))

    assert result["window_start"].startswith(start)
    assert result["window_end"].startswith(end[:10])


@pytest.mark.parametrize("start", ["1711121012345", "1711121012", 1711121012345])
def test_a_number_is_not_a_bound(simulator, start):
    """Milliseconds as text would be parsed as the year 1711."""
    with pytest.raises(AirflowFailException, match="since 1970, write '2024-03-22T15:23:32"):
        run(slice_operator(window_start=start, window_end="2026-01-01"))

    assert 0 == simulator.starts("orders")


@pytest.mark.parametrize(
    ("provider", "time_column_type", "predicate"),
    [
        ("BigQuery", "date", "at >= DATE '2026-01-01' AND at < DATE '2026-01-02'"),
        ("BigQuery", "datetime", "at >= DATETIME '2026-01-01 00:00:00' AND at < DATETIME '2026-01-02 00:00:00'"),
        ("Snowflake", "timestamp_ntz", "at >= '2026-01-01 00:00:00'::TIMESTAMP_NTZ AND"),
        ("Databricks", "timestamp_unixtime_ms", "at >= 1767225600000 AND at < 1767312000000"),
    ],
)
def test_the_literals_fit_the_type_of_the_time_column(start_simulator, provider, time_column_type, predicate):
    """A warehouse refuses one of another type, or shifts it by the session's zone."""
    simulator = start_simulator(run_s=0.1)
    simulator.add_pipeline("others")
    connection = {"id": "lake", "name": "Lake", "service_provider": provider, "config": {"user": "etl"}}
    MParticleHook().create_warehouse_connection(connection)
    simulator.add_pipeline("orders", connection_id="lake")

    run(
        slice_operator(
            sql="SELECT id, at FROM shop.public.orders; -- all",
            time_column="at",
            time_column_type=time_column_type,
            **DAY,
        )
    )

    assert f"FROM shop.public.orders\n) AS unsliced WHERE {predicate}" in sql_in(simulator)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_column_type": "text"}, "time_column_type must be one of timestamp, .* not 'text'"),
        ({"time_column_zone": "Mars"}, "'Mars' is not a time zone"),
        ({"time_column_zone": "Europe/Berlin"}, "has no effect on a column of type 'timestamp'"),
        (
            {"time_column_type": "date", "time_column": None},
            "time_column_type='date' has no effect without time_column",
        ),
        ({"time_column_type": "date", "window_end": "2026-01-01T12:00Z"}, "is not the start of a day"),
        ({"sql": "SELECT CAST(at AS VARCHAR) AS at FROM a.b"}, "selects time_column at as text"),
        ({"sql": "SELECT at FROM a.b; SELECT at FROM a.c"}, "several statements"),
    ],
)
def test_a_time_column_that_cannot_be_compared_is_refused(simulator, options, message):
    """The rows at the bounds would be missed or duplicated."""
    usual = {"sql": "SELECT at FROM a.b", "time_column": "at", **DAY}

    with pytest.raises(AirflowFailException, match=message):
        run(slice_operator(**{**usual, **options}))

    assert 0 == simulator.count("PUT", "") == simulator.starts("orders")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("at BETWEEN '{{ window_start }}' AND '{{ window_end }}'", "BETWEEN, which includes window_end"),
        ("at >= '{{ window_start }}' AND at <= '{{ window_end }}'", "<= window_end"),
    ],
)
def test_a_comparison_that_includes_the_end_is_warned_of(simulator, said, where, message):
    """A row at midnight would be ingested with both days."""
    run(slice_operator(sql=f"SELECT id FROM shop.public.orders WHERE {where}", **DAY))

    assert message in said.text


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("at >= '{{ window_end }}' AND at < '{{ window_start }}'", "swaps the bounds"),
        ("1 = 1 -- {{ window_start }} {{ window_end }}", "only in a comment"),
    ],
)
def test_a_comparison_that_is_certainly_wrong_is_refused(simulator, where, message):
    """Each slice would ingest nothing, or everything."""
    with pytest.raises(AirflowFailException, match=message):
        run(slice_operator(sql=f"SELECT id FROM shop.public.orders WHERE {where}", **DAY))

    assert 0 == simulator.starts("orders")
