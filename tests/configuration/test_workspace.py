"""A workspace as a document, whose plan has no changes, on servers that show more or less than they were sent."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from configuration.strange_servers import StrangeSimulator, serving

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.configuration.apply import apply_plan, export_document, read_workspace
from airflow_provider_mparticle.configuration.document import load_document, parse_document
from airflow_provider_mparticle.configuration.document_writer import as_yaml
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.plan import plan
from airflow_provider_mparticle.simulator.http_messages import Answer, Request

SAMPLE = Path(__file__).parents[1] / "samples" / "workspace.yaml"


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
