"""One document for several workspaces: exported from one and applied to another, with two simulators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_mparticle.cli.parser import main
from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.simulator import Simulator

SQL = "SELECT o.id, o.total\nFROM shop.public.orders o"


@pytest.fixture
def workspaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Simulator, Simulator]]:
    """A workspace for development with a pipeline, and an empty one for production."""
    token_cache.forget()
    with Simulator(workspace_id=1) as development, Simulator(workspace_id=2) as production:
        monkeypatch.setenv("AIRFLOW_CONN_DEVELOPMENT", development.airflow_connection_json())
        monkeypatch.setenv("AIRFLOW_CONN_PRODUCTION", production.airflow_connection_json())
        development.add_pipeline("orders", partner_feed_id=11, environment="development")
        production.add_pipeline("other")  # brings the connection "warehouse"
        yield development, production
    token_cache.forget()


def test_a_document_is_promoted_with_other_values(
    workspaces: tuple[Simulator, Simulator], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Feed and environment differ, the SQL does not; a second apply changes nothing in either."""
    _, production = workspaces
    assert 0 == main(["export", "--conn-id", "development"])
    document: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    del document["connections"]
    document["pipelines"][0].update(partner_feed_id="{{ params.feed }}", environment="{{ var.value.environment }}")
    path = tmp_path / "workspace.yaml"
    path.write_text(yaml.safe_dump(document))

    def command(name: str, conn_id: str, feed: int, environment: str, *more: str) -> int:
        values = ["--set", f"feed={feed}", "--set", f"var.value.environment={environment}"]
        return main([name, str(path), "--conn-id", conn_id, *values, *more])

    assert 0 == command("plan", "development", 11, "development", "--detailed-exitcode")
    assert 3 == command("plan", "production", 22, "production", "--detailed-exitcode")
    assert 0 == command("apply", "production", 22, "production", "--yes")
    assert 0 == command("plan", "production", 22, "production", "--detailed-exitcode")

    promoted = production.stored("pipeline", "orders")
    assert ("22", "production") == (promoted["partner_feed_id"], promoted["environment"])
    assert document["data_models"][0]["config"] == production.stored("data model", "orders-model")["config"]


def test_a_value_that_is_not_given_is_refused(
    workspaces: tuple[Simulator, Simulator], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A template must not become the id of a feed."""
    path = tmp_path / "workspace.json"
    pipeline = {
        "id": "orders",
        "name": "Orders",
        "connection_id": "warehouse",
        "data_model_id": "other-model",
        "partner_feed_id": "{{ params.feed }}",
        "sync_mode": {"type": "full"},
        "schedule": {"type": "on_demand"},
    }
    path.write_text(json.dumps({"pipelines": [pipeline]}))

    assert 2 == main(["plan", str(path), "--conn-id", "production"])
    assert 2 == main(["plan", str(path), "--conn-id", "production", "--set", "fed=3"])

    assert "partner_feed_id is a template that was not rendered" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["feed", "=3", "a b=3", "a..b=3"])
def test_a_value_without_a_name_is_refused(
    workspaces: tuple[Simulator, Simulator], tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    """The error comes before anything is sent."""
    path = tmp_path / "workspace.json"
    path.write_text("{}")

    assert 2 == main(["plan", str(path), "--conn-id", "production", "--set", given])

    assert "--set needs NAME=VALUE" in capsys.readouterr().err
