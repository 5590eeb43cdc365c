"""Which slice a task syncs, and what it refuses before anything is sent."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_mparticle.operators import MParticleSyncSliceOperator
from airflow_provider_mparticle.simulator import Simulator

BERLIN = ZoneInfo("Europe/Berlin")
SQL = "SELECT id FROM shop.public.orders WHERE at >= '{{ window_start }}' AND at < '{{ window_end }}'"


def slice_operator(**options):
    usual = {"pipeline_id": "orders", "data_model_id": "orders-model", "sql": SQL, "poll_interval": 0.05}
    return MParticleSyncSliceOperator(task_id="sync", **{**usual, **options})


def run(operator, **context):
    """Execute as Airflow does, in a DAG run of which the context tells."""
    ti = SimpleNamespace(
        dag_id="history",
        task_id="sync",
        run_id="manual__1",
        map_index=-1,
        max_tries=0,
        try_number=1,
        xcom_push=lambda **_: None,
    )
    dag_run = SimpleNamespace(start_date=datetime.now(UTC), clear_number=0, conf=context.pop("conf", {}))
    return inspect.unwrap(type(operator).execute)(operator, {"ti": ti, "dag_run": dag_run, **context})


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
def test_the_slice_comes_from_the_first_that_tells_one(simulator, options, context, start, end):
    """Bounds that a user gives win over what Airflow has scheduled."""
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
        ({**DAY, "if_running": "attach"}, {}, "if_running"),
        ({**DAY, "if_running": "skip"}, {}, "if_running"),
        ({**DAY, "min_records": -1}, {}, "min_records"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_changed_or_started(simulator, options, context, said):
    """Every slice costs money and cannot be taken back."""
    with pytest.raises(AirflowFailException, match=said):
        run(slice_operator(**options), **context)

    assert 0 == simulator.count("PUT", "") == simulator.count("POST", "/trigger")


@pytest.mark.parametrize("date", ["partition_date", "logical_date"])
def test_a_slice_that_is_not_over_is_refused(simulator, date):
    """Airflow 3 runs a daily DAG at the start of the day that its logical date names."""
    with pytest.raises(AirflowFailException, match="is not over"):
        run(slice_operator(granularity="day"), **{date: datetime.now(UTC)})

    assert 0 == simulator.starts("orders")


def test_a_slice_up_to_an_instant_to_come_is_synced_if_a_user_says_so(simulator):
    """Clocks differ, and some rows are dated ahead."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    run(slice_operator(window_start="2026-01-01", window_end=tomorrow))

    assert 1 == simulator.starts("orders")


def test_the_predicate_is_built_for_the_pipeline_s_warehouse(start_simulator):
    """The literal of an instant differs from warehouse to warehouse."""
    simulator = start_simulator(run_s=0.1)
    simulator.add_pipeline("orders")

    run(slice_operator(sql="SELECT id, at FROM shop.public.orders", time_column="at", **DAY))

    assert "WHERE at >= '2026-01-01 00:00:00+00:00' AND at < '2026-01-02 00:00:00+00:00'" in sql_in(simulator)


def test_sql_may_stand_in_a_file_beside_the_dag(simulator, tmp_path):
    """As in other operators of Airflow."""
    (tmp_path / "orders.sql").write_text(SQL)
    with DAG("history", schedule=None, template_searchpath=str(tmp_path)) as dag:
        operator = slice_operator(sql="orders.sql", **DAY)

    run(operator, dag=dag)

    assert "at >= '2026-01-01 00:00:00+00:00'" in sql_in(simulator)


def test_one_slice_at_a_time_is_the_default_for_mapped_tasks_too():
    """They share the data model just the same."""
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
    """Nothing else keeps the next one from replacing its SQL."""
    with pytest.raises(TypeError):
        slice_operator(**option)
