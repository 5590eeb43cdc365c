"""Every argument of every operator accepts its valid values, and refuses all others before anything is sent."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle import operators
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator

Execute = Callable[[Any], Any]


class Array:
    """An array as in numpy: a comparison returns another array, and its truth value is an error."""

    __hash__ = None  # type: ignore[assignment]  # an array cannot be hashed

    def __eq__(self, other: object) -> Any:
        return Array()

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous.")

    def __repr__(self) -> str:
        return "array([1, 2])"


WAIT = {"pipeline_id": "orders", "poll_interval": 0.05, "timeout": 0.5, "deferrable": False}
# Each operator with arguments that work, and the names of those that are spoiled.
WORKING: dict[Any, dict[str, Any]] = {
    operators.MParticleTriggerPipelineOperator: {
        **WAIT,
        "wait_for_completion": True,
        "if_running": "fail",
        "skip_if_covered": False,
        "min_records": 0,
        "max_failed_ratio": 1,
        "on_empty": "success",
    },
    MParticlePipelineRunSensor: {**WAIT, "covers": None, "soft_fail": False, "never_fail": False, "min_records": 0},
    operators.MParticlePlatformOperator: {"path": "/apps", "method": "GET", "response_filter": None},
    operators.MParticleApplyOperator: {"spec": {"pipelines": []}, "prune": False, "dry_run": True},
    operators.MParticleDeleteResourceOperator: {"kind": "pipeline", "resource_id": "nope", "missing_ok": True},
    operators.MParticleUpdatePipelineOperator: {"pipeline_id": "orders", "fields": {"name": "Orders"}},
    operators.MParticlePausePipelineOperator: {"pipeline_id": "orders"},
    operators.MParticleCreateDataModelOperator: {
        "data_model_id": "customers",
        "name": "Customers",
        "sql_query": "SELECT id FROM s.t",
        "if_exists": "reuse",
    },
    operators.MParticlePlanSlicesOperator: {
        "sql_conn_id": "warehouse",
        "start": "2026-01-01",
        "end": "2026-01-02",
        "table": "orders",
        "time_column": "updated_at",
        "max_records": 10,
        "granularity": "hour",
        "time_zone": "UTC",
        "time_column_type": "timestamp",
        "hook_params": None,
    },
}
PLACES = [(operator, name) for operator, arguments in WORKING.items() for name in arguments]
ODD: list[Any] = [
    *(None, "", " ", "None", "null", 0, -1, 1e12, math.nan, math.inf, 10**400, 10**5000, True, False, "maybe"),
    *(["orders"], ("orders",), {"orders"}, {"a": 1}, b"orders", Decimal(3), Decimal("sNaN"), Array(), object()),
    *(timedelta(seconds=1), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), "a\nb", "\ud83d", "..", "x" * 9999),
]


def run(operator: Any) -> Any:
    """Render and execute an operator outside of Airflow."""
    # print returns nothing, as a store does that has kept nothing.
    ti = SimpleNamespace(max_tries=0, try_number=1, get_first_reschedule_date=lambda _: None)
    context: Any = {"ti": ti, "task_state_store": SimpleNamespace(get=print, set=print, delete=print)}
    operator.render_template_fields(context)
    return inspect.unwrap(type(operator).execute)(operator, context)


@pytest.mark.sends_anything(reason="an id that mParticle does not have is quoted and sent")
@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=5))
def test_an_odd_argument_is_accepted_or_refused_by_name(
    simulator: Simulator, place: tuple[Any, str], value: Any
) -> None:
    """Airflow retries every other error, which cannot help. A long value must not fill the log."""
    operator, name = place
    simulator.end_runs()
    simulator.add_run("orders", "success")  # without one, a sensor with a good timeout of days would wait for days
    met: Exception | None = None
    try:
        run(operator(task_id="t", **{**WORKING[operator], name: value}))
    except Exception as error:
        met = error

    assert met is None or type(met).__module__.startswith(("airflow.", "airflow_provider_mparticle.")), repr(met)
    assert len(str(met)) < 2000


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(10**5000, id="digits"),
        pytest.param("x" * 100_000, id="characters"),
        pytest.param(Array(), id="array"),
    ],
)
# pipeline_id is refused in other words.
@pytest.mark.parametrize("name", sorted(WORKING[operators.MParticleTriggerPipelineOperator].keys() - {"pipeline_id"}))
def test_a_value_that_cannot_be_shown_is_refused_too(
    execute: Execute, simulator: Simulator, name: str, value: Any
) -> None:
    """Python does not print an integer of 5,000 digits, and 100,000 characters are too many for a log."""
    arguments = {**WORKING[operators.MParticleTriggerPipelineOperator], name: value}
    with pytest.raises(
        (AirflowFailException, ConfigError), match=f"{name} must be .*, not .{{1,320}} Nothing was sent"
    ):
        execute(operators.MParticleTriggerPipelineOperator(task_id="t", **arguments))

    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("operator", "wrong", "says"),
    [
        (operators.MParticlePlatformOperator, {"method": None}, "GET, POST, PUT and DELETE, not None"),
        (operators.MParticlePlatformOperator, {"path": ["/apps"]}, r"path of a request must be text, not \['/apps'\]"),
        (operators.MParticlePlatformOperator, {"response_filter": "data"}, "response_filter must be a function, not"),
        (operators.MParticleApplyOperator, {"spec": None}, "spec must be a dict, a path or the text of a document"),
        (operators.MParticleApplyOperator, {"prune": "maybe"}, "prune must be True or False, not 'maybe'"),
        (operators.MParticleApplyOperator, {"dry_run": "maybe"}, "dry_run must be True or False, not 'maybe'"),
        (
            operators.MParticleDeleteResourceOperator,
            {"kind": ["pipeline"]},
            "kind must be one of",
        ),
        (operators.MParticleDeleteResourceOperator, {"missing_ok": "maybe"}, "missing_ok must be True or False"),
        (operators.MParticleUpdatePipelineOperator, {"fields": "{'name': 'x'}"}, "fields must be a dict, not a str"),
        (operators.MParticleUpdatePipelineOperator, {"fields": {"id": "y"}}, "the id 'y', but .* cannot be changed"),
        (operators.MParticleTriggerPipelineOperator, {"pipeline_id": "{'pipeline_id': 'a'}"}, "a dict or a list as"),
        (operators.MParticleTriggerPipelineOperator, {"pipeline_id": "['orders']"}, "a dict or a list as text. Take"),
        (
            operators.MParticleApplyOperator,
            {"spec": "workspace.YAML"},
            r"is a .yaml, .yml or .json file, not 'workspace",
        ),
        (operators.MParticleApplyOperator, {"spec": "workspace"}, r"is a .yaml, .yml or .json file, not 'workspace'"),
        (operators.MParticleApplyOperator, {"spec": "a" * 5000 + ".yaml"}, "Cannot read .* File name too long"),
        (operators.MParticleApplyOperator, {"spec": "a\x00.yaml"}, "Cannot read the document"),
        (operators.MParticleUpdatePipelineOperator, {"partner_feed_key": "None"}, "partner_feed_key was rendered to"),
        (operators.MParticleCreateDataModelOperator, {"name": "None"}, "name was rendered to 'None'"),
    ],
)
def test_what_an_argument_cannot_mean_is_refused_before_anything_is_sent(
    execute: Execute, simulator: Simulator, operator: Any, wrong: dict[str, Any], says: str
) -> None:
    """The message names the argument and the value, so that the DAG can be corrected."""
    with pytest.raises((AirflowFailException, ConfigError), match=says):
        execute(operator(task_id="t", **{**WORKING[operator], **wrong}))

    assert [] == simulator.requests


@given(
    secret=st.text("0123456789abcdef", min_size=12, max_size=20),
    case=st.sampled_from(
        [
            (operators.MParticleUpdatePipelineOperator, "fields", lambda secret: f"{{'partner_feed_key': '{secret}'}}"),
            (operators.MParticlePlatformOperator, "query", lambda secret: ["token", secret]),
            (operators.MParticleApplyOperator, "spec", lambda secret: [{"password": secret}]),
        ]
    ),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_refused_value_that_may_have_secrets_is_not_shown(
    execute: Execute, simulator: Simulator, secret: str, case: Any
) -> None:
    """A template renders a dict to text, in which Airflow finds no secret by its name."""
    operator, name, write = case
    task = operator(task_id="t", **WORKING[operator])
    setattr(task, name, write(secret))

    with pytest.raises(AirflowFailException, match=r"must be a dict.* not a (str|list)") as refused:
        execute(task)

    assert secret not in str(refused.value)
    assert [] == simulator.requests


@pytest.mark.parametrize("end", ["see other.yaml", "and base.json", "x.yml\n"])
def test_a_text_that_ends_like_a_path_is_a_text(execute: Execute, simulator: Simulator, end: str) -> None:
    """A path has no line ends."""
    done = execute(operators.MParticleApplyOperator(task_id="t", spec=f"pipelines: []\n# {end}"))

    assert not done["changed"]
    assert simulator.count("GET", "/connections")


@pytest.mark.parametrize("off", [False, "false", "False", "no", "off", 0])
def test_a_switch_that_says_off_as_text_is_off(execute: Execute, simulator: Simulator, off: Any) -> None:
    """In Python every text is true, but ``prune="false"`` must not delete resources."""
    result = execute(operators.MParticleApplyOperator(task_id="t", spec={"pipelines": []}, prune=off, dry_run=off))
    with pytest.raises(AirflowFailException, match="404"):
        execute(
            operators.MParticleDeleteResourceOperator(task_id="t", kind="pipeline", resource_id="nope", missing_ok=off)
        )

    assert {"changed": False, "dry_run": False} == {name: result[name] for name in ("changed", "dry_run")}
    assert simulator.stored("pipeline", "orders")


@pytest.mark.parametrize("secret", ["None", " None ", "null"])
def test_a_secret_that_was_rendered_to_nothing_is_not_stored(
    execute: Execute, simulator: Simulator, secret: str
) -> None:
    """If the connection in the template has no password, "None" must not be sent."""
    config = {"account_identifier": "x", "warehouse": "w", "database": "d", "user": "u", "password": secret}
    with pytest.raises(AirflowFailException, match=r"config\.password was rendered to 'None'|'null'"):
        execute(
            operators.MParticleCreateConnectionOperator(
                task_id="t", connection_id="sales", name="Sales", service_provider="Snowflake", config=config
            )
        )

    assert [] == simulator.requests
