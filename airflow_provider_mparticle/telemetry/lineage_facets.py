"""
Describes the lineage of a task in the classes of OpenLineage's client.

Only the OpenLineage provider causes the import of this module, so that nothing is loaded where it is off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
from airflow.providers.common.compat.sdk import Asset
from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from openlineage.client import event_v2 as event
from openlineage.client import facet_v2 as facet

from airflow_provider_mparticle.assets import pipeline_dataset


@attrs.define
class PipelineRunFacet(facet.RunFacet):
    """What mParticle says about the run. Its schema is the one that all facets of a run share."""

    pipeline_id: str
    state: str | None = None
    started_on: str | None = None
    ended_on: str | None = None
    range_start: str | None = None
    range_end: str | None = None
    failed_records: int | None = None


def declared_lineage(inlets: Iterable[Any], outlets: Iterable[Any]) -> OperatorLineage[Any, Any]:
    """Return the lineage that a DAG declares."""
    return OperatorLineage(inputs=_with_declared([], inlets), outputs=_with_declared([], outlets))


def operator_lineage(
    pipeline_id: str,
    workspace_id: int,
    source: Mapping[str, Any],
    run: Mapping[str, Any],
    inlets: Iterable[Any],
    outlets: Iterable[Any],
) -> OperatorLineage[Any, Any]:
    """
    Return the lineage of a task that syncs a pipeline or waits for it.

    :param source: What the data model reads, as far as the task knows: ``sql``, ``dialect``, and ``tables`` as pairs of
        namespace and name.
    :param run: The run, as a task returns it; empty if the task does not have its own run.
    :param inlets: What the DAG declares; it is added to the tables.
    :param outlets: What the DAG declares; it is added to the pipeline.
    """
    namespace, name = pipeline_dataset(workspace_id, pipeline_id)
    tables = [event.InputDataset(*table) for table in source.get("tables", ())]
    pipeline = event.OutputDataset(namespace, name, outputFacets=_statistics(run))
    return OperatorLineage(
        inputs=_with_declared(tables, inlets),
        outputs=_with_declared([pipeline], outlets),
        run_facets=_run_facets(namespace, run),
        job_facets=_job_facets(source),
    )


def _with_declared(known: list[Any], declared: Iterable[Any]) -> list[event.Dataset]:
    found = {(one.namespace, one.name): one for one in known}
    for one in filter(None, map(_dataset, declared)):
        found.setdefault((one.namespace, one.name), one)
    return [*found.values()]


def _dataset(declared: Any) -> event.Dataset | None:
    if isinstance(declared, Asset):  # the provider converts assets itself since 2.16
        return translate_airflow_asset(declared, None)
    return ExtractorManager.convert_to_ol_dataset(declared)


def _statistics(run: Mapping[str, Any]) -> dict[str, facet.OutputDatasetFacet]:
    if (records := run.get("successful_records")) is None:
        return {}
    statistics = facet.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=records)
    return {"outputStatistics": statistics}


def _run_facets(namespace: str, run: Mapping[str, Any]) -> dict[str, facet.RunFacet]:
    if run.get("pipeline_run_id") is None:
        return {}
    said: dict[str, Any] = {name: run[name] for name in attrs.fields_dict(PipelineRunFacet) if name in run}
    return {
        "externalQuery": facet.external_query_run.ExternalQueryRunFacet(str(run["pipeline_run_id"]), namespace),
        "mparticle_pipelineRun": PipelineRunFacet(**said),
    }


def _job_facets(source: Mapping[str, Any]) -> dict[str, facet.JobFacet]:
    sql = source.get("sql")
    return {"sql": facet.sql_job.SQLJobFacet(sql, source.get("dialect"))} if sql else {}
