"""PUTs to servers that merge and servers that replace: no field is lost, and no secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from configuration.strange_servers import StrangeSimulator
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sample_document import sample

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.errors import InvalidRequestError
from airflow_provider_mparticle.client.models import Pipeline, WarehouseConnection
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, PIPELINE
from airflow_provider_mparticle.client.secrets import secrets_in
from airflow_provider_mparticle.configuration.apply import apply_plan, read_workspace
from airflow_provider_mparticle.configuration.document import load_document
from airflow_provider_mparticle.configuration.plan import plan
from airflow_provider_mparticle.configuration.resource_diff import differences
from airflow_provider_mparticle.configuration.resource_update import LOG_IN_WITH, hidden_secrets, refusals, update_body
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import (
    MParticleCreateConnectionOperator,
    MParticlePausePipelineOperator,
    MParticleResumePipelineOperator,
    MParticleUpdatePipelineOperator,
)

KEY = "orders-feed-key"

Execute = Callable[[Any], Any]


@pytest.fixture(params=[{}, {"merges_dicts": True}, {"put_replaces": True}], ids=["merges", "merges dicts", "replaces"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrangeSimulator]:
    """A server of each kind, with the sample applied."""
    token_cache.forget()
    with StrangeSimulator(**request.param) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(simulator.airflow_connection()))
        apply(sample())
        yield simulator
    token_cache.forget()


def apply(content: dict[str, Any]) -> None:
    """Plan and apply a document."""
    hook = MParticleHook()
    apply_plan(hook, plan(load_document(content), read_workspace(hook)))


def stored(server: StrangeSimulator, pipeline_id: str = "orders-hourly") -> dict[str, Any]:
    """A pipeline as the server stores it, with its key, without fields that only the server sets."""
    kept = server.stored("pipeline", pipeline_id)
    return {name: value for name, value in kept.items() if not name.startswith("last_modified")}


@pytest.mark.parametrize("operator", [MParticlePausePipelineOperator, MParticleResumePipelineOperator])
def test_a_pipeline_with_a_key_is_not_paused_without_it(execute: Execute, server: Any, operator: Any) -> None:
    """A PUT that replaces would delete the key."""
    given_state = {MParticlePausePipelineOperator: "active", MParticleResumePipelineOperator: "paused"}[operator]
    server._workspace.resources.stored("pipeline", "orders-hourly")["state"] = given_state
    before = stored(server)

    with pytest.raises(AirflowFailException, match="without its partner_feed_key"):
        execute(operator(task_id="change", pipeline_id="orders-hourly"))

    assert before == stored(server)


def test_a_pipeline_is_paused_and_resumed_with_its_key(execute: Execute, server: StrangeSimulator) -> None:
    """All fields but the state stay the same, with both kinds of PUT."""
    before = stored(server)
    options = {"pipeline_id": "orders-hourly", "partner_feed_key": KEY}

    paused = execute(MParticlePausePipelineOperator(task_id="pause", **options))
    assert {**before, "state": "paused"} == stored(server)
    execute(MParticleResumePipelineOperator(task_id="resume", **options))

    assert before == stored(server)
    assert KEY not in json.dumps(paused)


def test_a_pipeline_without_a_key_is_paused_as_before(execute: Execute, server: StrangeSimulator) -> None:
    """No field can be lost."""
    before = stored(server, "page-views-backfill")

    execute(MParticleResumePipelineOperator(task_id="resume", pipeline_id="page-views-backfill"))

    assert {**before, "state": "active"} == stored(server, "page-views-backfill")


def test_an_update_takes_the_key_as_an_argument(execute: Execute, server: StrangeSimulator) -> None:
    """It is sent with the change, and masked in logs."""
    before = stored(server)
    operator = MParticleUpdatePipelineOperator(
        task_id="update",
        pipeline_id="orders-hourly",
        fields={"schedule": {"frequency": "daily"}},
        partner_feed_key=KEY,
    )

    assert ["schedule"] == execute(operator)["changed"]

    assert {**before, "schedule": {"type": "interval", "frequency": "daily"}} == stored(server)


def test_writing_secrets_keeps_the_rest_of_a_connection(execute: Execute, server: StrangeSimulator) -> None:
    """A new password does not change the state of a connection."""
    server._workspace.resources.stored("connection", "sales-snowflake")["state"] = "inactive"
    config = {**sample()["connections"][1]["config"], "password": "another"}

    execute(
        MParticleCreateConnectionOperator(
            task_id="write",
            connection_id="sales-snowflake",
            name="Sales",
            service_provider="Snowflake",
            config=config,
            if_exists="update",
            write_secrets=True,
        )
    )

    kept = server.stored("connection", "sales-snowflake")
    assert ("inactive", config) == (kept["state"], kept["config"])


CHANGES = {
    "connections": {"name": "Renamed", "state": "inactive"},
    "data_models": {"name": "Renamed", "config": {"sql_query": "SELECT 1 AS a FROM a.b.c"}},
    "field_transformations": {"name": "Renamed", "mappings": [{"mapping_type": "ignore", "source": "id"}]},
    "pipelines": {
        "name": "Renamed",
        "state": "paused",
        "schedule": {"type": "on_demand"},
        "environment": "development",
    },
}


@st.composite
def altered(draw: st.DrawFn) -> dict[str, Any]:
    """The sample with some fields changed, some left out, and some secrets left out."""
    content = sample()
    for section, changes in CHANGES.items():
        for resource in content[section]:
            for name in draw(st.sets(st.sampled_from(sorted(changes)))):
                resource[name] = changes[name]
            optional = sorted({"state", "environment", "data_plan_id", "field_transformation_id"} & set(resource))
            for name in draw(st.sets(st.sampled_from(optional))) if optional else ():
                del resource[name]
    if draw(st.booleans()):
        content["pipelines"][draw(st.integers(0, 1))].pop("partner_feed_key")
    if draw(st.booleans()):
        content["connections"][1]["config"].pop("password")
    return content


@given(content=altered())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_loses_a_secret_or_a_field(server: StrangeSimulator, content: dict[str, Any]) -> None:
    """Either it is refused and nothing is sent, or all fields that the document does not name stay."""
    apply(sample())
    before = everything(server)
    try:
        apply(content)
    except InvalidRequestError as refused:
        assert "would be written without its" in str(refused)  # noqa: PT017 - the other end is fine, too
        assert before == everything(server)
        return

    after = everything(server)
    assert dict(secrets_in(before)) == dict(secrets_in(after))
    for section in ("connections", "pipelines"):
        for resource in content[section]:
            kept, had = after[section][resource["id"]], before[section][resource["id"]]
            assert {name: had[name] for name in had if name not in resource} == {
                name: kept[name] for name in had if name not in resource
            }


@given(
    st.lists(st.tuples(st.sampled_from(["interval", "once", "on_demand"]), st.booleans()), min_size=2, max_size=4),
)
@example([("interval", True), ("once", False)])
@example([("once", True), ("interval", False)])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_schedule_ends_when_its_description_says_so(
    server: StrangeSimulator, schedules: list[tuple[str, bool]]
) -> None:
    """A server that merges would keep the end of the former schedule, and the pipeline would stop then."""
    for kind, has_end in schedules:
        content = sample()
        schedule = content["pipelines"][0]["schedule"] = {"type": kind}
        if kind == "interval":
            schedule["frequency"] = "daily"
        if kind == "once":
            schedule["start"] = "2026-01-01T00:00:00Z"
        if has_end and kind != "on_demand":
            schedule["end"] = "2030-01-01T00:00:00Z"
        apply(content)

        kept = server.stored("pipeline", content["pipelines"][0]["id"])["schedule"]
        assert kind in ("on_demand", kept["type"])
        if kind != "on_demand":
            assert schedule.get("end") == kept.get("end")


def everything(server: StrangeSimulator) -> dict[str, Any]:
    """Everything that the server stores, with secrets, without fields that it sets itself."""
    kinds = {"connections": "connection", "pipelines": "pipeline"}
    return {
        section: {
            one["id"]: {
                name: value
                for name, value in server.stored(kind, one["id"]).items()
                if not name.startswith("last_modified")
            }
            for one in sample()[section]
        }
        for section, kind in kinds.items()
    }


@pytest.mark.parametrize("key", ["{}", {"type": "service_account", "private_key": "pem"}])
def test_a_key_file_is_a_secret_as_text_and_as_a_dict(key: Any) -> None:
    """In both forms no field is lost."""
    config = {"project_id": "p", "service_account_key": "****"}
    have = WarehouseConnection("c", name="C", service_provider="BigQuery", config=config)
    wanted = {"name": "D", "service_provider": "BigQuery", "config": {"project_id": "p"}}

    assert [] == [*refusals(CONNECTION, have, {**wanted, "config": {"project_id": "p", "service_account_key": key}})]
    (refused,) = refusals(CONNECTION, have, wanted)
    assert "without its config.service_account_key" in refused


KEY_TEXT = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=4, max_size=12)
MASKS_OF: list[Callable[[str], Any]] = [
    lambda key: "*" * len(key),
    lambda key: f"...{key[-4:]}",
    lambda key: f"{key[:2]}…{key[-2:]}",
    lambda key: f"{key[0]}{'•' * 6}",
    lambda key: f"({len(key)} characters)",
    lambda key: "sha256:" + hashlib.sha256(key.encode()).hexdigest(),
    lambda key: "configured",
    lambda key: "<set>",
    lambda key: True,
]


@given(KEY_TEXT, st.sampled_from(MASKS_OF))
def test_a_mask_is_not_written_back_and_not_taken_for_another_key(key: str, mask: Callable[[str], Any]) -> None:
    """A PUT with it would replace the key with its mask, and the feed would refuse every row."""
    have = Pipeline.read({"id": "orders", "name": "Orders", "partner_feed_key": mask(key)})

    assert "partner_feed_key" not in update_body(PIPELINE, have, {"state": "paused"})
    assert any("partner_feed_key" in said for said in refusals(PIPELINE, have, {"state": "paused"}))
    assert [] == [*refusals(PIPELINE, have, {"state": "paused", "partner_feed_key": key})]
    assert [] == differences(have, {"partner_feed_key": key})


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title, str])
@pytest.mark.parametrize("provider", LOG_IN_WITH)
def test_a_connection_needs_its_secret_however_its_provider_is_spelled(
    provider: str, spelling: Callable[[str], str]
) -> None:
    """Otherwise a PUT that replaces would delete the password."""
    have = WarehouseConnection.read({"id": "w", "name": "W", "service_provider": provider, "config": {"user": "u"}})
    wanted = {"service_provider": spelling(provider), "config": {"user": "v"}}

    assert [f"config.{LOG_IN_WITH[provider]}"] == hidden_secrets(CONNECTION, have, wanted)
