"""
Where Warehouse Sync's resources live: the one table of routes.

The paths stand below ``/platform/v2/workspaces/{workspaceId}``. mParticle documents some of them, the rest is
assumed from the 2023 v1 reference, so the extra field ``routes`` of the Airflow connection overrides any of
them by name. Source: Warehouse Sync API reference, July 2025; v2 migration page.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from urllib.parse import quote

from airflow_provider_mparticle.client.errors import ConfigError

DEFAULT_ROUTES: Mapping[str, str] = {
    "connections": "/connections",  # stated
    "connection": "/connections/{connection_id}",  # stated
    "data_models": "/data-models",  # stated for a sibling
    "data_model": "/data-models/{data_model_id}",
    "field_transformations": "/field-transformations",  # assumed
    "field_transformation": "/field-transformations/{field_transformation_id}",
    "pipelines": "/inputs/data-pipelines",  # assumed
    "pipeline": "/inputs/data-pipelines/{pipeline_id}",
    "trigger_pipeline": "/inputs/data-pipelines/{pipeline_id}/trigger",  # assumed
    "pipeline_status": "/inputs/data-pipelines/{pipeline_id}/status",
    "pipeline_runs": "/inputs/data-pipelines/{pipeline_id}/status/runs",
    "pipeline_run": "/inputs/data-pipelines/{pipeline_id}/status/runs/{pipeline_run_id}",
}

# What a route may be, in the order in which to try; "{pipelines}" stands for the path at which the list of pipelines
# answers. Where there are two below a pipeline, the first is v2's and the second v1's. The doctor tries them.
CANDIDATE_ROUTES: Mapping[str, tuple[str, ...]] = {
    "connections": ("/connections",),
    "connection": ("{connections}/{connection_id}",),
    "data_models": ("/data-models", "/datamodels"),
    "data_model": ("{data_models}/{data_model_id}",),
    "field_transformations": ("/field-transformations", "/fieldtransformations"),
    "field_transformation": ("{field_transformations}/{field_transformation_id}",),
    "pipelines": ("/inputs/data-pipelines", "/data-pipelines", "/pipelines", "/datapipelines"),
    "pipeline": ("{pipelines}/{pipeline_id}",),
    "trigger_pipeline": ("{pipelines}/{pipeline_id}/trigger", "{pipelines}/{pipeline_id}"),
    "pipeline_status": ("{pipelines}/{pipeline_id}/status", "{pipelines}/{pipeline_id}/report"),
    "pipeline_runs": ("{pipelines}/{pipeline_id}/status/runs", "{pipelines}/{pipeline_id}/runs"),
    "pipeline_run": (
        "{pipelines}/{pipeline_id}/status/runs/{pipeline_run_id}",
        "{pipelines}/{pipeline_id}/runs/{pipeline_run_id}",
    ),
}


def route_table(overrides: Mapping[str, str]) -> dict[str, str]:
    """
    Return the default routes with *overrides* put in their place.

    :param overrides: Path templates by route name; each starts with ``/`` and has its default's placeholders.
    :raises ConfigError: A name is unknown, or a path does not have the placeholders of its route.
    """
    for name, path in overrides.items():
        _check(name, path)
    return {**DEFAULT_ROUTES, **overrides}


def fill_path(template: str, values: Mapping[str, object]) -> str:
    """
    Put *values*, quoted for a URL, into the placeholders of a path.

    :raises ConfigError: A value is empty or a dot segment, so that the path would be another one.
    """
    quoted = {}
    for name, value in values.items():
        text = str(value)
        if text.strip() in ("", ".", ".."):
            raise ConfigError(f"{name} must not be {text!r}. Nothing was sent to mParticle.")
        quoted[name] = quote(text, safe="")
    return template.format_map(quoted)


def _check(name: str, path: object) -> None:
    if name not in DEFAULT_ROUTES:
        raise ConfigError(f"routes: there is no route {name!r}; the names are {', '.join(DEFAULT_ROUTES)}")
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigError(f"routes: {name} must be a path that starts with '/', not {path!r}")
    wanted = _placeholders(DEFAULT_ROUTES[name])
    if _placeholders(path) != wanted:
        raise ConfigError(f"routes: {name} must contain exactly {wanted or 'no placeholder'}, not {path!r}")


def _placeholders(path: str) -> list[str]:
    try:
        return sorted({f"{{{name}}}" for _, name, _, _ in Formatter().parse(path) if name is not None})
    except ValueError:  # an unbalanced brace
        return [path]
