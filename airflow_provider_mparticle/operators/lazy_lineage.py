"""Lets operators answer OpenLineage without importing anything before it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_mparticle.tasks.lineage import Lineage


class LazyLineage:
    """What Airflow's OpenLineage provider asks of an operator; docs/how-to/openlineage.md says what is known when."""

    _lineage: Lineage | None = None

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Return what the DAG declares: nothing else is known yet."""
        return self._facets()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the tables, the pipeline and the run of a task that succeeded."""
        return self._facets()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return what a task has learned before it failed; the provider itself adds the error."""
        return self._facets()

    def _facets(self) -> OperatorLineage[Any, Any]:
        from airflow_provider_mparticle.telemetry.lineage_facets import declared_lineage, operator_lineage

        task = cast("Any", self)
        if (known := self._lineage) is None:
            return declared_lineage(task.inlets, task.outlets)
        return operator_lineage(
            task.pipeline_id, known.workspace_id, known.source, known.run, task.inlets, task.outlets
        )
