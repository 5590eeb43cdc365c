"""
Addresses of pipelines as Airflow assets: ``mparticle://{workspace_id}/pipelines/{pipeline_id}``.

The workspace id has no leading zeros, and the slug of the pipeline keeps its case. Every other form is refused when a
DAG file is parsed. Otherwise an asset with a misspelled address would never start a DAG, without any error.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

SCHEME = "mparticle"

# Workspace ids are numbers. Slugs are chosen by the caller (Warehouse Sync API reference, "Create a connection").
_WORKSPACE_ID = re.compile(r"0*([1-9][0-9]*)", re.ASCII)
_PIPELINE_PATH = re.compile(r"/+pipelines/+([A-Za-z0-9_-]+)/*", re.ASCII)


def pipeline_asset(workspace_id: int | str, pipeline_id: str, **options: Any) -> Any:
    """
    Return the asset for the data that a pipeline brings into a workspace.

    :param workspace_id: Id of the mParticle workspace, as in the Airflow connection.
    :param pipeline_id: Slug of the pipeline.
    :param options: Arguments of Airflow's ``Asset``, for example *extra*, *group* or *watchers*.
    :return: An ``Asset``; on Airflow 2 a ``Dataset``.
    :raises ValueError: *workspace_id* or *pipeline_id* cannot be part of an address.
    """
    from airflow.providers.common.compat.sdk import Asset

    return Asset(uri=pipeline_uri(workspace_id, pipeline_id), **options)


def pipeline_uri(workspace_id: int | str, pipeline_id: str) -> str:
    """
    Return the normalized address of a pipeline.

    :raises ValueError: *workspace_id* or *pipeline_id* cannot be part of an address.
    """
    if not isinstance(pipeline_id, str):
        raise ValueError(f"pipeline_id must be the slug of a pipeline, not {pipeline_id!r}.")
    uri = f"{SCHEME}://{quote(str(workspace_id), safe='')}/pipelines/{quote(pipeline_id, safe='')}"
    return urlunsplit(normalize_uri(urlsplit(uri)))


def normalize_uri(parts: SplitResult) -> SplitResult:
    """
    Return the normalized form of an address. Airflow calls this for every asset of the scheme and compares the results.

    :raises ValueError: The address is not that of a pipeline.
    """
    workspace = _WORKSPACE_ID.fullmatch(unquote(parts.netloc))
    pipeline = _PIPELINE_PATH.fullmatch(unquote(parts.path))
    if not workspace or not pipeline or parts.query or parts.fragment:
        raise ValueError(
            f"{urlunsplit(parts)!r} is not the address of a pipeline. "
            f"Write {SCHEME}://WORKSPACE_ID/pipelines/PIPELINE_ID, for example {SCHEME}://1234/pipelines/orders, "
            "or use pipeline_asset(1234, 'orders') from airflow_provider_mparticle.assets."
        )
    return parts._replace(scheme=SCHEME, netloc=workspace[1], path=f"/pipelines/{pipeline[1]}")


def pipeline_dataset(workspace_id: int | str, pipeline_id: str) -> tuple[str, str]:
    """
    Return the namespace and the name of a pipeline as OpenLineage divides its address.

    :raises ValueError: Either cannot be part of such an address.
    """
    parts = urlsplit(pipeline_uri(workspace_id, pipeline_id))
    return f"{SCHEME}://{parts.netloc}", parts.path.removeprefix("/")


def convert_asset_to_openlineage(asset: Any, lineage_context: Any) -> Any:
    """Return the OpenLineage dataset of an asset; Airflow's OpenLineage provider calls this for inlets and outlets."""
    from openlineage.client.event_v2 import Dataset

    if (address := address_of(asset.uri)) is None:
        return None
    namespace, name = pipeline_dataset(*address)
    return Dataset(namespace, name)


def address_of(uri: str) -> tuple[str, str] | None:
    """Return the workspace id and the slug of the pipeline in an address, or None if it is not our address."""
    parts = urlsplit(uri)
    if parts.scheme != SCHEME:
        return None
    try:
        parts = normalize_uri(parts)
    except ValueError:
        return None
    return parts.netloc, parts.path.rpartition("/")[2]
