"""Plans: the steps, their order, and what is refused before anything is sent. Without HTTP."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_document import sample

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import DataModel
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, DATA_MODEL, KINDS, PIPELINE
from airflow_provider_mparticle.configuration.document import load_document
from airflow_provider_mparticle.configuration.plan import Plan, plan
from airflow_provider_mparticle.configuration.plan_step import Action
from airflow_provider_mparticle.configuration.resource_diff import Difference, differences
from airflow_provider_mparticle.configuration.resource_update import LOG_IN_WITH
from airflow_provider_mparticle.configuration.workspace import Workspace

SECRETS = ("bigquery-service-account-key", "snowflake-password", "customers-feed-key", "orders-feed-key")


def workspace_of(content: dict[str, Any]) -> Workspace:
    """A workspace as mParticle shows it after the document was applied: without passwords, with masked feed keys."""
    shown = copy.deepcopy(content)
    for connection in shown.get("connections", ()):
        for name in ("password", "service_account_key"):
            connection["config"].pop(name, None)
    for pipeline in shown.get("pipelines", ()):
        if "partner_feed_key" in pipeline:
            pipeline["partner_feed_key"] = "****"
    return Workspace(
        {kind.name: {one["id"]: kind.model.read(one) for one in shown.get(kind.plural, ())} for kind in KINDS}
    )


def planned(content: dict[str, Any], workspace: Workspace | None = None, *, prune: bool = False) -> Plan:
    """Plan a document against a workspace; by default one to which the sample was applied."""
    there = workspace_of(sample()) if workspace is None else workspace
    return plan(load_document(content), there, prune=prune)


def changes(of: Plan) -> list[str]:
    """The steps that change something, as text."""
    return [str(step) for step in of.steps if step.is_change]


def minimal(**sections: Any) -> dict[str, Any]:
    """A document with a pipeline on existing resources."""
    pipeline = {
        "id": "new",
        "name": "New",
        "connection_id": "sales-snowflake",
        "data_model_id": "orders",
        "sync_mode": {"type": "full"},
        "schedule": {"type": "on_demand"},
    }
    return {"pipelines": [{**pipeline, **sections}]}


# Steps


def test_an_empty_workspace_gets_everything_in_the_order_of_dependency() -> None:
    """A pipeline can only refer to existing resources."""
    found = planned(sample(), Workspace())

    assert [Action.CREATE] * 10 == [step.action for step in found.steps]
    kinds = [step.kind.name for step in found.steps]
    assert kinds == sorted(kinds, key=[kind.name for kind in KINDS].index)
    assert () == found.refusals
    assert not found.is_empty


def test_what_is_as_described_is_unchanged() -> None:
    """Secrets that mParticle does not show are not a difference."""
    found = planned(sample())

    assert {Action.UNCHANGED} == {step.action for step in found.steps}
    assert found.is_empty


def test_an_update_names_each_difference() -> None:
    """A user sees what will change, and to what."""
    content = sample()
    content["pipelines"][1]["schedule"]["frequency"] = "daily"
    content["pipelines"][1]["name"] = "Orders, daily"
    content["connections"][1]["config"]["warehouse"] = "LARGE"

    found = planned(content)

    assert ["~ connection sales-snowflake", "~ pipeline orders-hourly"] == changes(found)
    assert [
        Difference("name", "Orders, hourly", "Orders, daily"),
        Difference("schedule.frequency", "hourly", "daily"),
    ] == [*found.steps[-2].differences]


@pytest.mark.parametrize("bound", ["until", "end"])
def test_a_bound_that_is_removed_is_a_difference(bound: str) -> None:
    """Blank means unbounded, so a missing bound has a meaning."""
    before, after = sample(), sample()
    name = {"until": "sync_mode", "end": "schedule"}[bound]
    before["pipelines"][1][name][bound] = "2028-01-01T00:00:00Z"
    after["pipelines"][1][name].pop(bound, None)

    (step,) = (step for step in planned(after, workspace_of(before)).steps if step.is_change)

    assert (Difference(f"{name}.{bound}", "2028-01-01T00:00:00Z", None),) == step.differences


def test_resources_that_the_document_does_not_name_stay() -> None:
    """A document may describe a part of a workspace."""
    assert ["+ pipeline new"] == changes(planned(minimal()))


def test_prune_deletes_what_the_sections_do_not_name_in_the_reverse_order() -> None:
    """Resources to which no other refers are deleted first, after all other steps."""
    content = sample()
    content["pipelines"] = [{**content["pipelines"][2], "name": "Changed"}]
    content["data_models"] = content["data_models"][2:]
    content["connections"] = content["connections"][:1]

    found = planned(content, prune=True)

    assert [
        "~ pipeline page-views-backfill",
        "- pipeline customers-daily",
        "- pipeline orders-hourly",
        "- data model customers",
        "- data model orders",
        "- connection sales-snowflake",
    ] == changes(found)
    assert () == found.refusals


def test_prune_does_not_touch_a_section_that_is_not_there() -> None:
    """A document without the section "connections" says nothing about connections."""
    found = planned({"pipelines": []}, prune=True)

    assert {"pipeline"} == {step.kind.name for step in found.steps}
    assert 3 == found.counts()["delete"]
    assert planned({}, prune=True).is_empty


def test_without_prune_nothing_is_deleted() -> None:
    """The user must ask for deletions."""
    assert planned({"pipelines": [], "connections": []}).is_empty


# Refusals


def test_everything_that_mparticle_cannot_do_is_refused_at_once() -> None:
    """The plan refuses it, before the first step is applied."""
    content = sample()
    content["pipelines"][0]["sync_mode"] = {"type": "full"}
    content["pipelines"][1]["connection_id"] = "nowhere"
    content["pipelines"][1]["data_model_id"] = "nothing"
    content["pipelines"][2]["sync_mode"] = {
        "type": "incremental",
        "iterator_field": "seen_at",
        "iterator_data_type": "timestamp",
    }
    del content["connections"][1]["config"]["password"]
    content["connections"][1]["name"] = "Renamed"

    found = planned(content)

    assert 5 == len(found.refusals)
    text = "\n".join(found.refusals)
    assert "Pipeline 'customers-daily' has a sync_mode of type 'incremental', which cannot become 'full'" in text
    assert "Pipeline 'page-views-backfill' has a sync_mode of type 'full', which cannot become 'incremental'" in text
    assert "Pipeline 'orders-hourly' refers to the connection 'nowhere', which neither the document nor" in text
    assert "Pipeline 'orders-hourly' refers to the data model 'nothing'" in text
    assert "Connection 'sales-snowflake' would be written without its config.password" in text
    assert not found.is_empty


@pytest.mark.parametrize("name", ["connection_id", "data_model_id", "field_transformation_id"])
def test_a_reference_to_nothing_is_refused(name: str) -> None:
    """mParticle would refuse it after some steps."""
    (refused,) = planned(minimal(**{name: "gone"})).refusals

    assert f"Pipeline 'new' refers to the {name[:-3].replace('_', ' ')} 'gone'" in refused


def test_a_reference_may_lead_into_the_workspace() -> None:
    """Another document, or a user, may manage the resource."""
    assert () == planned(minimal()).refusals


def test_an_existing_reference_is_not_checked() -> None:
    """The credentials may not have access to everything in mParticle."""
    content = sample()
    seen = Workspace({"pipeline": workspace_of(content).of(PIPELINE)})

    assert planned({"pipelines": content["pipelines"]}, seen).is_empty


def test_a_pipeline_that_stays_keeps_what_it_refers_to() -> None:
    """Whether the document names the pipeline or not."""
    content = sample()
    unnamed = planned({"connections": content["connections"][:1]}, prune=True)
    named = planned({"data_models": [], "pipelines": content["pipelines"]}, prune=True)

    assert 2 == len(unnamed.refusals)
    assert "Connection 'sales-snowflake' cannot be deleted: pipeline 'customers-daily' refers to it" in str(
        unnamed.refusals
    )
    assert 3 == len(named.refusals)


def test_a_resource_that_a_pipeline_no_longer_refers_to_may_be_deleted() -> None:
    """The update comes before the deletion."""
    content = sample()
    content["pipelines"][0]["data_model_id"] = "orders"
    del content["data_models"][0]

    found = planned(content, prune=True)

    assert ["~ pipeline customers-daily", "- data model customers"] == changes(found)
    assert () == found.refusals


def test_a_pipeline_must_not_refer_to_a_resource_that_the_plan_deletes() -> None:
    """The document deletes the data model, although mParticle has it and a pipeline names it."""
    content = minimal()

    found = planned({**content, "data_models": sample()["data_models"][:1]}, prune=True)

    assert "Data model 'orders' cannot be deleted: pipeline 'new' refers to it" in str(found.refusals)


@pytest.mark.parametrize("provider", LOG_IN_WITH)
def test_a_connection_is_not_written_without_its_secret(provider: str) -> None:
    """Otherwise an export that is edited and applied would delete the password."""
    connection = {"id": "c", "name": "C", "service_provider": provider, "config": {"database": "A"}}
    there = workspace_of({"connections": [connection]})
    with_secret = {**connection, "name": "D", "config": {LOG_IN_WITH[provider]: "hunter2"}}

    assert planned({"connections": [connection]}, there).is_empty
    (refused,) = planned({"connections": [{**connection, "name": "D"}]}, there).refusals
    assert f"config.{LOG_IN_WITH[provider]}" in refused
    assert () == planned({"connections": [with_secret]}, there).refusals


def test_another_provider_may_have_no_secret() -> None:
    """Unknown providers are not checked."""
    connection = {"id": "c", "name": "C", "service_provider": "Databricks", "config": {"host": "a"}}

    assert (
        ()
        == planned({"connections": [{**connection, "name": "D"}]}, workspace_of({"connections": [connection]})).refusals
    )


def test_a_template_is_not_written_as_a_secret() -> None:
    """The command line does not render templates; without a write they do not matter."""
    content = sample()
    content["connections"][1]["config"]["password"] = "{{ conn.snowflake.password }}"

    assert planned(content).is_empty
    (refused,) = planned(content, Workspace()).refusals
    assert "Connection 'sales-snowflake': config.password is a template that was not rendered" in refused


def test_an_invalid_document_is_not_planned() -> None:
    """One message has all its problems."""
    with pytest.raises(ConfigError, match=r"connections must be a list.*pipelines must be a list"):
        planned({"connections": None, "pipelines": None})


# Output


def test_a_plan_is_readable() -> None:
    """Signs as in a diff, indented differences, and a summary."""
    content = sample()
    content["data_models"][0]["config"]["sql_query"] += "\nAND c.id > 0"
    content["pipelines"][1]["schedule"]["frequency"] = "daily"
    content["pipelines"] = [*content["pipelines"][1:], minimal()["pipelines"][0]]

    assert [
        "= connection events-bigquery",
        "= connection sales-snowflake",
        "~ data model customers",
        "    config.sql_query:",
        "          SELECT c.id, c.email, c.updated_at",
        "          FROM sales.public.customers c",
        "          WHERE c.email IS NOT NULL",
        "        + AND c.id > 0",
        "= data model orders",
        "= data model page-views",
        "= field transformation orders-to-events",
        "= field transformation people",
        "~ pipeline orders-hourly",
        "    schedule.frequency: 'hourly' -> 'daily'",
        "= pipeline page-views-backfill",
        "+ pipeline new",
        "- pipeline customers-daily",
        "1 to create, 2 to update, 7 unchanged, 1 to delete",
    ] == planned(content, prune=True).lines()


def test_refusals_are_shown_with_the_plan() -> None:
    """They are about the steps."""
    *_, refused, summary = planned(minimal(data_model_id="gone")).lines()

    assert refused.startswith("! Pipeline 'new' refers to the data model 'gone'")
    assert "1 to create, 0 to update, 0 unchanged, 0 to delete, 1 refused: nothing can be applied" == summary


def test_a_plan_as_json() -> None:
    """Scripts and XComs get it."""
    content = minimal()
    content["connections"] = [{**sample()["connections"][1], "name": "Renamed"}]

    assert {
        "steps": [
            {
                "action": "update",
                "kind": "connection",
                "id": "sales-snowflake",
                "differences": [{"field": "name", "have": "Sales", "wanted": "Renamed"}],
            },
            {"action": "create", "kind": "pipeline", "id": "new"},
        ],
        "refusals": [],
        "counts": {"create": 1, "update": 1, "unchanged": 0, "delete": 0},
    } == json.loads(json.dumps(planned(content).as_dict()))


def test_a_plan_shows_no_secret() -> None:
    """Not even a secret that mParticle shows in part, or that differs."""
    there = workspace_of(sample())
    content = sample()
    for number, pipeline in enumerate(content["pipelines"][:2]):
        object.__setattr__(there.of(PIPELINE)[pipeline["id"]], "partner_feed_key", f"another-{number}****")
    for connection in content["connections"]:
        object.__setattr__(there.of(CONNECTION)[connection["id"]], "name", "Another")
        there.of(CONNECTION)[connection["id"]].config["password"] = "shown-password"

    found = planned(content, there)
    shown = "\n".join([*found.lines(), json.dumps(found.as_dict()), repr(found), *map(repr, found.steps)])

    assert 4 == found.counts()["update"]
    assert "    partner_feed_key: (secret)" in found.lines()
    assert [] == [secret for secret in (*SECRETS, "another-", "shown-password") if secret in shown]


def test_a_workspace_as_a_document_has_what_can_be_written() -> None:
    """Without audit fields, health, blanks and masks, ordered by id."""
    answer = {
        "id": "b",
        "name": "B",
        "type": "sql",
        "state": "active",
        "status": "healthy",
        "errors": [],
        "created_on": "2026-01-01",
        "config": {"sql_query": "SELECT /** all */ 1", "note": None, "hidden": "****"},
    }
    found = {one: DataModel.read({**answer, "id": one}) for one in ("b", "a")}

    assert {
        "data_models": [
            {"id": one, "name": "B", "state": "active", "type": "sql", "config": {"sql_query": "SELECT /** all */ 1"}}
            for one in ("a", "b")
        ]
    } == Workspace({DATA_MODEL.name: found}).as_document()


# Differences that documents have shown


@pytest.mark.parametrize(
    ("have", "wanted", "differs"),
    [
        ("SELECT /** a */ 1", "SELECT /** b */ 1", True),
        ("SELECT /** a */ 1", "SELECT /** a */ 1", False),
    ],
)
def test_a_comment_is_not_a_mask(have: str, wanted: str, differs: bool) -> None:
    """Asterisks in SQL do not hide anything."""
    model = DataModel("m", config={"sql_query": have})

    assert differs == bool(differences(model, {"config": {"sql_query": wanted}}))


def test_a_null_in_a_list_is_not_a_difference() -> None:
    """mParticle may add missing keys to a mapping."""
    content = {"field_transformations": sample()["field_transformations"]}
    there = copy.deepcopy(content)
    for one in there["field_transformations"]:
        for mapping in one["mappings"]:
            mapping.update({name: None for name in ("source", "destination", "value") if name not in mapping})

    assert planned(content, workspace_of(there)).is_empty


# The limit of active pipelines


def with_pipelines(*ids: str, **fields: Any) -> dict[str, Any]:
    """A document with pipelines that use resources of the sample."""
    return {"pipelines": [{**minimal()["pipelines"][0], "id": one, **fields} for one in ids]}


def test_a_rename_at_the_limit_of_active_pipelines_deletes_first() -> None:
    """mParticle refuses a sixth active pipeline, even for a moment."""
    five = with_pipelines("a", "b", "c", "d", "e")
    there = workspace_of({**sample(), **five})
    renamed = with_pipelines("a", "b", "c", "d", "f")

    assert ["- pipeline e", "+ pipeline f"] == changes(planned(renamed, there, prune=True))
    assert () == planned(renamed, there, prune=True).notes


def test_below_the_limit_nothing_is_deleted_before_its_successor_is_there() -> None:
    """If the creation fails, the old pipeline must still exist."""
    there = workspace_of({**sample(), **with_pipelines("a", "b")})

    assert ["+ pipeline c", "- pipeline b"] == changes(planned(with_pipelines("a", "c"), there, prune=True))


def test_a_pipeline_is_paused_before_another_one_takes_its_place() -> None:
    """The order in the document does not matter then."""
    five = with_pipelines("a", "b", "c", "d", "e")["pipelines"]
    there = workspace_of({**sample(), "pipelines": five})
    content = {"pipelines": [*with_pipelines("new")["pipelines"], *five[:4], {**five[4], "state": "paused"}]}

    assert ["~ pipeline e", "+ pipeline new"] == changes(planned(content, there))


def test_the_plan_has_a_note_about_more_active_pipelines_than_the_limit() -> None:
    """A contract may allow them, so they are not refused."""
    there = workspace_of({**sample(), "pipelines": []})

    found = planned(with_pipelines(*"abcdef"), there)

    assert () == found.refusals
    assert any("6 pipelines will be active" in line for line in found.lines())


STATES = st.sampled_from([None, "active", "paused"])


@settings(max_examples=100, database=None, deadline=None)
@given(
    before=st.dictionaries(st.sampled_from("abcdefgh"), STATES),
    wanted=st.dictionaries(st.sampled_from("abcdefgh"), STATES, min_size=1),
    prune=st.booleans(),
)
def test_the_pipelines_that_will_be_active_are_counted(
    before: dict[str, str | None], wanted: dict[str, str | None], prune: bool
) -> None:
    """A pipeline without a state stays as it is; a new one is active then."""

    def document(states: dict[str, str | None]) -> dict[str, Any]:
        return {
            "pipelines": [
                *(one for each, state in states.items() for one in with_pipelines(each, state=state)["pipelines"])
            ]
        }

    will_be = {} if prune else {**before}
    will_be |= {one: state or before.get(one) for one, state in wanted.items()}
    was, active = (sum(state != "paused" for state in states.values()) for states in (before, will_be))

    found = planned(document(wanted), workspace_of({**sample(), **document(before)}), prune=prune)

    noted = [line for line in found.lines() if "pipelines will be active" in line]
    assert (active > 5 and active > was) == bool(noted)
    assert not noted or f"{active} pipelines will be active" in noted[0]


def test_a_line_that_changes_is_removed_before_it_is_added() -> None:
    """As in other diffs."""
    content = sample()
    content["data_models"][0]["config"]["sql_query"] = (
        "SELECT c.id, c.email, c.updated_at\nFROM sales.public.clients c\nWHERE c.email IS NOT NULL"
    )

    shown = [line.strip() for line in planned(content).lines() if line.strip()[:2] in ("- ", "+ ")]

    assert ["- FROM sales.public.customers c", "+ FROM sales.public.clients c"] == shown


def test_a_change_of_mappings_shows_what_is_removed_and_added() -> None:
    """A user cannot compare two long lists."""
    content = sample()
    content["field_transformations"][0]["mappings"].reverse()
    assert planned(content).is_empty
    content["field_transformations"][0]["mappings"][0] = {"mapping_type": "ignore", "source": "key"}

    shown = [line.strip() for line in planned(content).lines() if "mapping_type" in line]

    assert [
        "- {'mapping_type': 'ignore', 'source': 'id'}",
        "+ {'mapping_type': 'ignore', 'source': 'key'}",
    ] == shown
