"""The links of a task, to the pipeline in mParticle's web app and to the run in its API, during and after the wait."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle import operators
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.connection.form import PODS
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.links import PipelineLink, RunLink, _from_connection, pipeline_address, run_address
from airflow_provider_mparticle.provider_info import get_provider_info
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator


@pytest.fixture
def config_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Read the configuration of a connection with these fields."""

    def read(host: str = "", **extra: Any) -> Any:
        connection = {"conn_type": "mparticle", "login": "id", "password": "secret", "host": host}
        monkeypatch.setenv(
            "AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps({**connection, "extra": {"workspace_id": 1234, **extra}})
        )
        return MParticleHook().get_conn().config

    return read


@pytest.mark.parametrize(
    ("pod", "api", "app"),
    [
        (None, "https://api.mparticle.com", "https://app.mparticle.com"),
        ("us1", "https://api.mparticle.com", "https://app.mparticle.com"),
        (" EU1 ", "https://api.eu1.mparticle.com", "https://app.eu1.mparticle.com"),
        ("au1", "https://api.au1.mparticle.com", "https://app.au1.mparticle.com"),
    ],
)
def test_a_pod_sets_the_api_and_the_web_app(config_of: Callable[..., Any], pod: Any, api: str, app: str) -> None:
    """One word replaces two addresses that must match."""
    config = config_of(pod=pod)

    assert (api, app) == (config.base_url, pipeline_address(config, "orders"))


def test_a_host_comes_before_the_pod(config_of: Callable[..., Any]) -> None:
    """The sources disagree whether a pod has its own host, so the user can decide."""
    config = config_of(host="https://api.mparticle.com", pod="us2")

    assert "https://api.mparticle.com" == config.base_url
    assert "https://app.us2.mparticle.com" == config.app_link


@pytest.mark.parametrize("pod", ["us3", "US", "eu", 1, ["us1"]])
def test_an_unknown_pod_is_refused(config_of: Callable[..., Any], pod: Any) -> None:
    """Credentials must not be sent to an unknown host."""
    with pytest.raises(ConfigError, match="pod of Airflow connection 'mparticle_default' must be"):
        config_of(pod=pod)


def test_the_web_apps_address_of_a_pipeline_can_be_configured(config_of: Callable[..., Any]) -> None:
    """mParticle does not document the address, but a user may know it."""
    config = config_of(app_link="https://app.eu1.mparticle.com/w/{workspace_id}/sync/{pipeline_id}")

    assert "https://app.eu1.mparticle.com/w/1234/sync/a%2Fb" == pipeline_address(config, "a/b")
    assert "https://app.eu1.mparticle.com" == pipeline_address(config, None)


@pytest.mark.parametrize(
    "template",
    [
        *("app.mparticle.com", "http://app.mparticle.com", "https://x/{run}", "https://x/{pipeline_id!r}"),
        *("https://x/{", "https://x/{pipeline_id:>999}", "https://x/{}", "javascript:alert(1)", 7),
    ],
)
def test_an_app_link_that_is_not_an_address_is_refused(config_of: Callable[..., Any], template: Any) -> None:
    """The link is shown as a button in Airflow's UI."""
    with pytest.raises(ConfigError, match="app_link of Airflow connection 'mparticle_default' must be"):
        config_of(app_link=template)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PODS), st.text(min_size=1).filter(lambda text: text.strip() not in ("", ".", "..")))
def test_the_link_of_any_pipeline_id_stays_in_the_web_app(
    config_of: Callable[..., Any], pod: str, pipeline_id: str
) -> None:
    """The id is quoted, so that it cannot lead to another page or host."""
    config = config_of(pod=pod, app_link="https://app.mparticle.com/p/{pipeline_id}")
    try:
        address = pipeline_address(config, pipeline_id)
    except ConfigError:  # an id that may be read as a dot segment or as nothing is refused
        return

    assert address.startswith("https://app.mparticle.com/p/")
    assert not set(address[len("https://app.mparticle.com/p/") :]) & set("/?# ")


@pytest.mark.parametrize("pipeline_id", ["{{ params.pipeline }}", "{% raw %}a{% endraw %}", None, ["orders"]])
def test_a_task_whose_pipeline_is_not_known_yet_links_to_the_web_app(
    config_of: Callable[..., Any], pipeline_id: Any
) -> None:
    """A task that has not been executed has only its template, which is the address of no pipeline."""
    config_of(app_link="https://app.mparticle.com/p/{pipeline_id}")
    task = SimpleNamespace(mparticle_conn_id="mparticle_default", pipeline_id=pipeline_id)

    assert "https://app.mparticle.com" == _from_connection(task)


def test_every_link_that_is_registered_exists() -> None:
    """Airflow logs an error for each link that it cannot import."""
    for path in get_provider_info()["extra-links"]:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name) in (PipelineLink, RunLink)


@pytest.mark.parametrize("name", [*operators.__all__, "MParticlePipelineRunSensor"])
def test_every_operator_and_the_sensor_has_the_link_to_mparticle(name: str) -> None:
    """Users want to see what mParticle shows. Only the plan of slices does not call mParticle."""
    cls = getattr(operators, name, MParticlePipelineRunSensor)
    links = {type(link) for link in cls.operator_extra_links}

    advice = f"give {name} the attribute operator_extra_links = LazyLinks(), as other operators have it"
    assert (PipelineLink in links) is (name != "MParticlePlanSlicesOperator"), advice


@pytest.mark.parametrize("cls", [operators.MParticleTriggerPipelineOperator, MParticlePipelineRunSensor])
def test_both_links_are_there_while_a_task_is_deferred(simulator: Simulator, cls: type, pushed: dict[str, Any]) -> None:
    """Users want to see the run while the task waits."""
    simulator.script_next_run("orders", [("running", None)])
    if cls is MParticlePipelineRunSensor:
        simulator.add_run("orders", "running")
    task = cls(task_id="task", pipeline_id="orders", deferrable=True)

    with pytest.raises(TaskDeferred):
        cls.execute.__wrapped__(task, pushed["context"])

    config = MParticleHook().get_conn().config
    run_id = simulator.runs("orders")[-1]["pipeline_run_id"]
    assert pipeline_address(config, "orders") == pushed[PipelineLink.xcom_key]
    assert run_address(config, "orders", run_id) == pushed[RunLink.xcom_key]
    assert pushed[RunLink.xcom_key].endswith(f"/orders/status/runs/{run_id}")


@pytest.fixture
def pushed() -> dict[str, Any]:
    """The XComs that a task pushes, and under ``context`` the context that collects them."""
    xcoms: dict[str, Any] = {}
    ti = SimpleNamespace(
        max_tries=0, try_number=1, map_index=-1, xcom_push=lambda key, value: xcoms.update({key: value})
    )
    store = SimpleNamespace(get=print, set=print, delete=print)
    dag_run = SimpleNamespace(start_date=None, clear_number=0)
    xcoms["context"] = {"ti": ti, "dag_run": dag_run, "task_state_store": store}
    return xcoms


def test_links_stay_when_the_task_has_ended(simulator: Simulator, run_dag: Callable[[Any], Any]) -> None:
    """On the real Airflow, the links of a deferred and resumed task are read as the UI reads them."""
    with DAG("links", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operators.MParticleTriggerPipelineOperator(
            task_id="sync", pipeline_id="orders", deferrable=True, poll_interval=0.3, timeout=20
        )
        operators.MParticleResumePipelineOperator(task_id="resume", pipeline_id="orders")
    instances = {task.task_id: task for task in run_dag(dag).get_task_instances()}
    config = MParticleHook().get_conn().config

    shown = link_of(instances["sync"], PipelineLink), link_of(instances["sync"], RunLink)

    run_id = simulator.runs("orders")[-1]["pipeline_run_id"]
    assert (pipeline_address(config, "orders"), run_address(config, "orders", run_id)) == shown


def link_of(task: Any, link: Any) -> Any:
    """Return the address that Airflow has stored for a link."""
    return task.xcom_pull(task_ids=task.task_id, key=link.xcom_key)
