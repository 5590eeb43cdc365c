"""
Holds the table of routes: the paths of Warehouse Sync's resources.

The paths are below ``/platform/v2/workspaces/{workspaceId}``. mParticle documents some of them; the others are assumed
from the v1 reference of 2023. So the extra field ``routes`` of the Airflow connection can override each of them by
name. Source: Warehouse Sync API reference, July 2025; v2 migration page.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.paths import path_flaw
from airflow_provider_mparticle.client.shown import shown

DEFAULT_ROUTES: Mapping[str, str] = {
    "connections": "/connections",  # documented
    "connection": "/connections/{connection_id}",  # documented
    "data_models": "/data-models",  # documented for a similar resource
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

# The paths that a route may have, in the order in which the command `doctor` tries them. "{pipelines}" is replaced by
# the path at which the list of pipelines answers. If a pipeline has two, the first is that of v2 and the second of v1.
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
    Return the default routes, with *overrides* instead of the defaults of the same name.

    :param overrides: Path templates by route name. Each starts with ``/`` and has the placeholders of its default.
    :raises ConfigError: A name is unknown, or a path does not have the placeholders of its route.
    """
    for name, path in overrides.items():
        _check(name, path)
    return {**DEFAULT_ROUTES, **overrides}


def _check(name: str, path: object) -> None:
    if name not in DEFAULT_ROUTES:
        raise ConfigError(f"routes: {shown(name)} is not a route; the names are {', '.join(DEFAULT_ROUTES)}")
    if not isinstance(path, str):
        raise ConfigError(f"routes: {name} must be a path that starts with '/', not {shown(path)}")
    wanted = _placeholders(DEFAULT_ROUTES[name])
    if _placeholders(path) != wanted:
        raise ConfigError(f"routes: {name} must contain exactly {wanted or 'no placeholder'}, not {shown(path)}")
    flaw = "must not hold a query" if "?" in path else path_flaw(path.format_map(_Anything()))
    if flaw:
        raise ConfigError(f"routes: {name} {flaw}, not {shown(path)}")


class _Anything(dict[str, str]):
    """Has a value for every placeholder."""

    def __missing__(self, _: str) -> str:
        return "x"


def _placeholders(path: str) -> list[str]:
    """Return the placeholders as they are written. With a conversion or a format, a placeholder is a different one."""
    try:
        parts = [part for part in Formatter().parse(path) if part[1] is not None]
    except ValueError:  # an unbalanced brace
        return [path]
    return sorted({f"{{{name}{f'!{how}' if how else ''}{f':{form}' if form else ''}}}" for _, name, form, how in parts})
