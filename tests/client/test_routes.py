"""The table of routes and its overrides."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES, route_table


def test_without_overrides_the_defaults_stand() -> None:
    """Users override these names and paths, so a change would break their connections."""
    pipelines = "/inputs/data-pipelines"
    expected = {
        "connections": "/connections",
        "connection": "/connections/{connection_id}",
        "data_models": "/data-models",
        "data_model": "/data-models/{data_model_id}",
        "field_transformations": "/field-transformations",
        "field_transformation": "/field-transformations/{field_transformation_id}",
        "pipelines": pipelines,
        "pipeline": pipelines + "/{pipeline_id}",
        "trigger_pipeline": pipelines + "/{pipeline_id}/trigger",
        "pipeline_status": pipelines + "/{pipeline_id}/status",
        "pipeline_runs": pipelines + "/{pipeline_id}/status/runs",
        "pipeline_run": pipelines + "/{pipeline_id}/status/runs/{pipeline_run_id}",
    }

    assert expected == route_table({})


def test_an_override_replaces_one_route_and_no_other() -> None:
    """The defaults are assumptions, and a correction of one need not repeat the others."""
    table = route_table({"pipeline_status": "/data-pipelines/{pipeline_id}/report"})

    assert table == {**DEFAULT_ROUTES, "pipeline_status": "/data-pipelines/{pipeline_id}/report"}
    assert "/inputs/data-pipelines/{pipeline_id}/status" == DEFAULT_ROUTES["pipeline_status"]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """A misspelled name would silently have no effect."""
    with pytest.raises(ConfigError, match=r"'pipelins' is not a route; the names are connections, connection, "):
        route_table({"pipelins": "/data-pipelines"})


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("pipeline", "/data-pipelines"),
        ("pipeline", "/data-pipelines/{pipelineId}"),
        ("pipeline", "/data-pipelines/{pipeline_id}/{pipeline_run_id}"),
        ("pipeline", "/data-pipelines/{pipeline_id"),
        ("pipeline", "/data-pipelines/{}"),
        ("pipeline", "/data-pipelines/{pipeline_id.__class__}"),
        ("pipelines", "/data-pipelines/{pipeline_id}"),
        ("pipeline_run", "/runs/{pipeline_run_id}"),
        ("pipelines", "data-pipelines"),
        ("pipelines", "https://example.com/data-pipelines"),
        ("pipelines", ""),
        ("pipelines", None),
        ("pipelines", 7),
    ],
)
def test_a_malformed_path_is_refused_with_the_name_of_its_route(name: str, path: str) -> None:
    """It would otherwise fail at the first call that uses it, far from the connection."""
    with pytest.raises(ConfigError, match=rf"^routes: {name} must"):
        route_table({name: path})


def test_a_placeholder_may_occur_twice_and_in_any_order() -> None:
    """Only the names of the placeholders matter, not their position."""
    path = "/runs/{pipeline_run_id}/of/{pipeline_id}/{pipeline_id}"

    assert path == route_table({"pipeline_run": path})["pipeline_run"]


@pytest.mark.parametrize(
    "path",
    [
        "/data-pipelines/{pipeline_id!r}",
        "/data-pipelines/{pipeline_id!s}",
        "/data-pipelines/{pipeline_id:>999}",
        "/data-pipelines/{pipeline_id:{pipeline_id}}",
        "/data-pipelines/../{pipeline_id}",
        "/data-pipelines/%2e%2e/{pipeline_id}",
        "/data-pipelines/{pipeline_id}/.",
        "/data-pipelines/{pipeline_id}#x",
        "/data-pipelines/{pipeline_id}?all=1",
        "/data-pipelines?id={pipeline_id}",
        "//data-pipelines/{pipeline_id}",
        "/data-pipelines\\{pipeline_id}",
        "/data-pipelines/{pipeline_id}\r\nX: y",
    ],
)
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    """A format changes the path after the check, and a dot segment or '#' leads to another path."""
    with pytest.raises(ConfigError, match=r"^routes: pipeline must"):
        route_table({"pipeline": path})
