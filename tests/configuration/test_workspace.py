"""A workspace as a document, whose plan has no changes, on servers that show more or less than they were sent."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import pytest
from configuration.strange_servers import StrangeSimulator, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_document import SAMPLE

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.configuration.apply import apply_plan, export_document, read_workspace
from airflow_provider_mparticle.configuration.document import load_document, parse_document
from airflow_provider_mparticle.configuration.document_writer import as_yaml
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.plan import plan
from airflow_provider_mparticle.configuration.workspace import Workspace
from airflow_provider_mparticle.simulator.http_messages import Answer, Request


class ShortLists(StrangeSimulator):
    """A server whose lists lack fields; the answer for one resource has all fields."""

    left_out: tuple[str, ...] = ()

    def _respond(self, request: Request) -> Answer | None:
        before, rewrite = self.rewrite, self.rewrite
        if request.method == "GET" and request.path.rsplit("/", 1)[-1].split("-")[-1] in PLURALS:

            def rewrite(one: dict[str, Any]) -> dict[str, Any]:
                return {name: part for name, part in before(one).items() if name not in self.left_out}

        # The four lists may be requested at the same time, so a copy of the simulator answers.
        other = copy.copy(self)
        other.rewrite = rewrite
        return StrangeSimulator._respond(other, request)


PLURALS = ("connections", "models", "transformations", "pipelines")


def own_keys(resource: dict[str, Any]) -> dict[str, Any]:
    """Add keys to each mapping, as a server with a table of mappings may."""
    mappings = resource.get("mappings")
    added = [{**one, "id": number, "position": number} for number, one in enumerate(mappings or ())]
    return {**resource, "mappings": added} if mappings else resource


def camel_case(resource: dict[str, Any]) -> dict[str, Any]:
    """Write words of two parts without the sign between them."""
    schedule = resource.get("schedule")
    if not schedule:
        return resource
    return {**resource, "schedule": {**schedule, "type": {"on_demand": "onDemand"}.get(schedule["type"], "interval")}}


@pytest.mark.parametrize("rewrite", [own_keys, camel_case])
def test_an_export_plans_as_unchanged_whatever_the_server_adds(
    rewrite: Callable[[dict[str, Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a user could not begin with an export."""
    token_cache.forget()
    with serving(StrangeSimulator(rewrite), os.environ) as hook:
        apply_plan(hook, plan(load_document(SAMPLE), read_workspace(hook)), kept=KeptForms())

        exported = parse_document(as_yaml(export_document(hook)))

        assert plan(exported, read_workspace(hook), kept=KeptForms()).is_empty
        assert plan(load_document(SAMPLE), read_workspace(hook), kept=KeptForms()).is_empty


@pytest.mark.parametrize("left_out", [("config",), ("mappings",), ("sync_mode", "schedule"), ("name",)])
def test_what_a_list_leaves_out_is_read_from_the_resource(left_out: tuple[str, ...]) -> None:
    """An export would lack it, and a change of it would not be found."""
    token_cache.forget()
    simulator = ShortLists()
    simulator.left_out = left_out
    with serving(simulator, os.environ) as hook:
        apply_plan(hook, plan(load_document(SAMPLE), read_workspace(hook)), kept=KeptForms())

        assert plan(load_document(SAMPLE), read_workspace(hook), kept=KeptForms()).is_empty
        exported = parse_document(as_yaml(export_document(hook)))
        assert plan(exported, read_workspace(hook), kept=KeptForms()).is_empty


# Any state of a server. A server may keep fields that have no effect, for example after a change of the type.
INSTANTS = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01 00:00:00.123456", "9999-12-31T23:59:59Z", "", None])
TEXT = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8).filter(lambda text: "**" not in text)
DATA_MODELS = st.fixed_dictionaries(
    {"id": st.just("m"), "name": TEXT, "config": st.fixed_dictionaries({"sql_query": TEXT}, optional={"more": TEXT})},
    optional={"type": st.sampled_from(["sql", "SQL", "", None]), "state": TEXT},
)
TRANSFORMATIONS = st.fixed_dictionaries(
    {
        "id": st.just("f"),
        "name": TEXT,
        "mappings": st.lists(st.builds(dict, mapping_type=st.just("ignore"), source=TEXT)),
    },
    optional={"destination_type": st.sampled_from(["event_batch", "Event-Batch", None])},
)
SYNC_MODES = st.fixed_dictionaries(
    {"type": st.sampled_from(["full", "FULL", "incremental"]), "iterator_field": TEXT, "iterator_data_type": TEXT},
    optional={"until": INSTANTS, "time_zone": st.sampled_from(["UTC", "Mars"]), "more": TEXT},
)
SCHEDULES = st.fixed_dictionaries(
    {"type": st.sampled_from(["on_demand", "onDemand", "once", "interval"]), "frequency": st.just("daily")},
    optional={"delay": TEXT, "end": INSTANTS, "more": TEXT},
)
PIPELINES = st.fixed_dictionaries(
    {
        "id": st.just("p"),
        "name": TEXT,
        "connection_id": st.just("c"),
        "data_model_id": st.just("m"),
        "sync_mode": SYNC_MODES,
        "schedule": SCHEDULES,
    },
    optional={
        "partner_feed_id": st.integers(0, 2**62) | TEXT,
        "partner_feed_key": TEXT,
        "state": st.sampled_from(["active", "PAUSED", "broken"]),
        "environment": st.sampled_from(["Production", "staging"]),
        "data_plan_version": st.integers(0, 99) | TEXT,
    },
)


def stored(**found: dict[str, Any]) -> Workspace:
    """A workspace with these resources, by the names of their kinds."""
    kinds = {kind.name: kind for kind in KINDS}
    return Workspace({name: {one["id"]: kinds[name].model.read(one)} for name, one in found.items()})


@settings(max_examples=80)
@given(model=DATA_MODELS, transformation=TRANSFORMATIONS, pipeline=PIPELINES)
def test_an_export_plans_as_unchanged_in_any_state(
    model: dict[str, Any], transformation: dict[str, Any], pipeline: dict[str, Any]
) -> None:
    """An apply of an export must write nothing."""
    workspace = stored(data_model=model, field_transformation=transformation, pipeline=pipeline)

    exported = parse_document(as_yaml(workspace.as_document()))

    assert [] == [step for step in plan(exported, workspace, kept=KeptForms()).steps if step.is_change]


@pytest.mark.parametrize(
    ("part", "name"), [("sync_mode", "from"), ("sync_mode", "until"), ("schedule", "start"), ("schedule", "end")]
)
@pytest.mark.parametrize("value", [1767225600, "soon"])
def test_a_bound_that_a_document_cannot_have_is_not_lost(part: str, name: str, value: Any) -> None:
    """Without it a pipeline would read more rows, here or in the workspace to which the document is applied."""
    pipeline: dict[str, Any] = {
        "id": "p",
        "name": "P",
        "connection_id": "c",
        "data_model_id": "m",
        "sync_mode": {"type": "incremental", "iterator_field": "at", "iterator_data_type": "timestamp"},
        "schedule": {"type": "interval", "frequency": "daily"},
    }
    pipeline[part][name] = value
    workspace = stored(pipeline=pipeline)

    with pytest.raises(ConfigError, match=rf"pipelines\[0\]\.{part}\.{name} must be"):
        plan(load_document(workspace.as_document()), workspace)
