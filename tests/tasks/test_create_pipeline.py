"""The operator that makes sure that a pipeline exists, over HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    PermissionDeniedError,
    ServerError,
)
from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault

INCREMENTAL = {
    "type": "incremental",
    "iterator_field": "updated_at",
    "iterator_data_type": "timestamp",
    "from": "2026-01-01T00:00:00Z",
}
HOURLY = {"type": "interval", "frequency": "hourly", "start": "2026-01-01T00:00:00Z"}
PATH = "/inputs/data-pipelines"


def create(**changes: Any) -> dict[str, Any]:
    """Execute the operator with valid arguments and these *changes*."""
    return dict(operator(**changes).execute({}))


def operator(**changes: Any) -> MParticleCreatePipelineOperator:
    """The operator with valid arguments and these *changes*."""
    fine = {
        "pipeline_id": "refunds",
        "name": "Refunds",
        "connection_id": "warehouse",
        "data_model_id": "orders-model",
        "sync_mode": INCREMENTAL,
        "schedule": HOURLY,
    }
    return MParticleCreatePipelineOperator(task_id="create", **{**fine, **changes})


def sent(simulator: Simulator, method: str) -> list[Any]:
    """The bodies of the requests with this method for pipelines."""
    return [seen["body"] for seen in simulator.requests if seen["method"] == method and PATH in seen["path"]]


def pipeline(simulator: Simulator, pipeline_id: str = "refunds") -> dict[str, Any]:
    """The pipeline in the simulator, with its secrets."""
    from airflow_provider_mparticle.simulator.resources import Kind

    return simulator._workspace.resources.stored(Kind.PIPELINE, pipeline_id)


# Creating


def test_a_pipeline_that_is_not_there_is_created(simulator: Simulator) -> None:
    """The result names every field, because the task has set all of them."""
    result = create()

    assert "refunds" == result["pipeline"]["id"]
    assert INCREMENTAL == result["pipeline"]["sync_mode"]
    assert list(sent(simulator, "POST")[0]) == result["changed"]
    assert {"id", "name", "connection_id", "data_model_id", "sync_mode", "schedule"} < set(result["changed"])
    assert "Refunds" == pipeline(simulator)["name"]


def test_every_argument_reaches_mparticle(simulator: Simulator) -> None:
    """The fields have mParticle's names."""
    simulator.add_pipeline("other", field_transformation_id="mapping")
    given = {
        "field_transformation_id": "mapping",
        "partner_feed_id": 12,
        "partner_feed_key": "feed-key-0042",
        "environment": "production",
        "state": "paused",
        "data_plan_id": "plan",
        "data_plan_version": "3",
    }

    create(**given)

    held = pipeline(simulator)
    assert {**given, "data_plan_version": 3} == {name: held[name] for name in given}


def test_the_result_is_json(simulator: Simulator) -> None:
    """Airflow stores the result as an XCom."""
    result = create()

    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("if_exists", ["reuse", "update", "fail"])
def test_a_second_try_finds_the_pipeline_of_the_first(simulator: Simulator, if_exists: str) -> None:
    """A worker may die between the answer and the end of its task."""
    create(if_exists=if_exists)

    if if_exists == "fail":
        with pytest.raises(AirflowFailException):
            create(if_exists=if_exists)
    else:
        assert [] == create(if_exists=if_exists)["changed"]

    assert 1 == len(sent(simulator, "POST"))
    assert [] == sent(simulator, "PUT")


def test_a_status_that_answers_404_for_a_minute_is_tolerated(start_simulator: Callable[..., Simulator]) -> None:
    """A new pipeline has no status yet."""
    simulator = start_simulator(status_404_s=60)
    simulator.add_pipeline("orders")

    create()
    result = create(name="All refunds", if_exists="update")

    assert ["name"] == result["changed"]


# One that is there


def test_an_existing_pipeline_is_refused_by_default(simulator: Simulator) -> None:
    """Otherwise two DAGs with the same slug would overwrite each other's pipeline."""
    with pytest.raises(AirflowFailException, match="'orders' already exists, and if_exists='fail'") as refused:
        create(pipeline_id="orders")

    assert isinstance(refused.value.__context__, InvalidRequestError)
    assert ([], []) == (sent(simulator, "POST"), sent(simulator, "PUT"))


def test_an_existing_pipeline_is_reused_as_it_is(simulator: Simulator) -> None:
    """The pipeline stays unchanged even if the pipeline has another sync mode."""
    before = dict(pipeline(simulator, "orders"))

    result = create(pipeline_id="orders", if_exists="reuse")

    assert {"type": "full"} == result["pipeline"]["sync_mode"]
    assert [] == result["changed"]
    assert before == pipeline(simulator, "orders")


def test_an_update_changes_what_differs_with_one_put(simulator: Simulator) -> None:
    """The result names the changed fields. Other fields stay unchanged."""
    create(partner_feed_id=11, data_plan_id="plan", data_plan_version=3)
    before = dict(pipeline(simulator))

    result = create(name="All refunds", schedule={**HOURLY, "frequency": "daily"}, if_exists="update")

    after = pipeline(simulator)
    assert ["name", "schedule"] == result["changed"]
    assert {"name", "schedule", "last_modified_on"} >= {name for name in after if after[name] != before[name]}
    assert ("All refunds", "daily") == (after["name"], after["schedule"]["frequency"])
    assert ("All refunds", "daily") == (result["pipeline"]["name"], result["pipeline"]["schedule"]["frequency"])
    assert 1 == len(sent(simulator, "PUT"))


def test_an_update_of_a_pipeline_that_is_as_described_writes_nothing(simulator: Simulator) -> None:
    """A DAG that runs every hour must not write every hour, although mParticle masks the key."""
    create(partner_feed_key="feed-key-0042")

    result = create(partner_feed_key="feed-key-0042", if_exists="update")

    assert [] == result["changed"]
    assert [] == sent(simulator, "PUT")


def test_a_key_that_is_given_is_written_with_any_change(simulator: Simulator) -> None:
    """A PUT may replace the whole pipeline, so it must contain the key."""
    create(partner_feed_key="feed-key-0042")

    create(name="All refunds", partner_feed_key="feed-key-0043", if_exists="update")

    assert "feed-key-0043" == pipeline(simulator)["partner_feed_key"]
    assert "****" not in json.dumps(sent(simulator, "PUT"))


def test_a_key_that_only_mparticle_knows_is_not_lost(simulator: Simulator) -> None:
    """A PUT without the key could silently delete it."""
    create(partner_feed_key="feed-key-0042")

    with pytest.raises(AirflowFailException, match="without its partner_feed_key"):
        create(name="All refunds", if_exists="update")

    assert [] == sent(simulator, "PUT")


def test_an_upper_bound_can_be_taken_away(simulator: Simulator) -> None:
    """A blank until means that the range has no upper bound."""
    create(sync_mode={**INCREMENTAL, "until": "2026-02-01T00:00:00Z"})

    result = create(if_exists="update")

    assert ["sync_mode"] == result["changed"]
    assert {**INCREMENTAL, "until": None} == pipeline(simulator)["sync_mode"]


def test_the_type_of_the_sync_mode_is_never_changed(simulator: Simulator) -> None:
    """mParticle would answer 422. Our message explains the rule before anything is written."""
    with pytest.raises(AirflowFailException, match=r"mParticle does not allow to change sync_mode\.type"):
        create(pipeline_id="orders", if_exists="update")

    assert [] == sent(simulator, "PUT")


# What goes wrong


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"pipeline_id": "my refunds"}, "id may hold"),
        ({"pipeline_id": ""}, "id is missing"),
        ({"name": ""}, "name is missing"),
        ({"connection_id": "a/b"}, "connection_id may hold"),
        ({"sync_mode": {"type": "incremental"}}, "sync_mode.iterator_field"),
        ({"sync_mode": {**INCREMENTAL, "until": "2025-01-01"}}, "sync_mode.from must lie before until"),
        ({"schedule": {"type": "interval"}}, "schedule.frequency"),
        ({"schedule": {"type": "sometimes"}}, "schedule.type"),
        ({"environment": "test"}, "environment"),
        ({"state": "off"}, "state"),
        ({"data_plan_version": "x"}, "data_plan_version"),
        ({"if_exists": "replace"}, "if_exists must be one of fail, reuse, update, not 'replace'"),
    ],
)
def test_nothing_is_sent_while_an_argument_is_bad(simulator: Simulator, changes: dict[str, Any], named: str) -> None:
    """A retry cannot correct a typing mistake, so the task fails at once and names the argument."""
    with pytest.raises((AirflowFailException, ConfigError)) as failed:
        create(**changes)

    assert named in str(failed.value)
    assert ConfigError in {type(failed.value), type(failed.value.__context__)}
    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(method="POST", path=PATH, status=422), InvalidRequestError),
        (Fault(path=PATH, status=403), PermissionDeniedError),
        (Fault(path="/oauth/token", status=401), AuthenticationError),
    ],
)
def test_what_no_retry_cures_fails_the_task_at_once(
    simulator: Simulator, fault: Fault, kind: type[MParticleError]
) -> None:
    """Retry policies can still read the cause."""
    simulator.inject(fault)

    with pytest.raises(AirflowFailException) as failed:
        create()

    assert kind is type(failed.value.__context__)


@pytest.mark.parametrize("fault", [{"lose": "after"}, {"status": 502, "after": True}, {"status": 504, "after": True}])
def test_a_create_whose_answer_was_lost_ends_well(
    simulator: Simulator, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A read shows that the pipeline exists, so a second POST is not needed."""
    caplog.set_level(logging.INFO)
    simulator.inject(Fault(method="POST", path=PATH, **fault))

    result = create()

    assert "refunds" == result["pipeline"]["id"]
    assert "sync_mode" in result["changed"]
    assert 1 == len(sent(simulator, "POST"))


@pytest.mark.parametrize(
    ("fault", "kind"), [({"lose": "before"}, NoAnswerError), ({"status": 500}, ServerError)], ids=["lost", "500"]
)
def test_a_create_that_did_not_arrive_leaves_the_rest_to_a_retry(
    simulator: Simulator, fault: dict[str, Any], kind: type[MParticleError]
) -> None:
    """The user decides about retries. The next try creates the pipeline."""
    simulator.inject(Fault(method="POST", path=PATH, **fault))

    with pytest.raises(kind):
        create()
    result = create()

    assert "sync_mode" in result["changed"]
    assert "Refunds" == pipeline(simulator)["name"]


def test_an_outage_of_some_seconds_is_survived(simulator: Simulator) -> None:
    """Reads are retried."""
    simulator.fail_next(503, PATH, times=2)

    result = create()

    assert "refunds" == result["pipeline"]["id"]


# The feed's key; test_secrets.py looks at all that Airflow keeps of a run


@pytest.mark.parametrize("if_exists", ["reuse", "update"])
def test_the_feeds_key_is_in_no_result(simulator: Simulator, if_exists: str, caplog: pytest.LogCaptureFixture) -> None:
    """Results are XComs, which every user of Airflow may read."""
    caplog.set_level(logging.DEBUG)
    key = "f33d-0f-all-0rders"

    created = create(partner_feed_key=key)
    found = create(partner_feed_key=f"{key}-2", if_exists=if_exists)

    assert "partner_feed_key" not in created["pipeline"]
    assert [] == [shown for shown in (repr(created), repr(found), caplog.text) if key in shown]


def test_the_feeds_key_is_in_no_error(simulator: Simulator) -> None:
    """mParticle may repeat the request in its error."""
    key = "f33d-0f-all-0rders"
    simulator.inject(Fault(method="POST", path=PATH, status=422, body={"errors": [{"message": f"Bad key: {key}"}]}))

    with pytest.raises(AirflowFailException) as refused:
        create(partner_feed_key=key)
    with pytest.raises(AirflowFailException) as wrong:
        create(partner_feed_key=key, state="off")

    assert "Bad key: ***" in str(refused.value)
    assert [] == [error for error in (refused.value, wrong.value) if key in f"{error!r} {error.__context__!r}"]


# In a DAG


def test_templates_are_rendered_before_anything_is_checked(
    run_dag: Callable[[Any], Any], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and instants often come from the DAG run, and templates in dicts are rendered too."""
    monkeypatch.setenv("AIRFLOW_VAR_WAREHOUSE", "warehouse")
    with DAG("create_templated", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operator(
            pipeline_id="refunds-{{ dag.dag_id }}",
            connection_id="{{ var.value.warehouse }}",
            sync_mode={**INCREMENTAL, "from": "{{ '2026-01-01' }}T00:00:00Z"},
            data_plan_version="{{ 3 }}",
            field_transformation_id="{{ '' }}",
        )

    run = run_dag(dag)

    held = pipeline(simulator, "refunds-create_templated")
    assert "success" == run.state
    assert ("warehouse", INCREMENTAL, 3) == (held["connection_id"], held["sync_mode"], held["data_plan_version"])
    assert held["field_transformation_id"] is None


def test_a_refusal_fails_the_task_without_a_retry(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """mParticle would refuse the same arguments again."""
    with DAG("create_refused", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operator(pipeline_id="orders", retries=3)

    run = run_dag(dag)

    [task] = run.get_task_instances()
    assert "failed" == task.state
    assert 1 == task.try_number
