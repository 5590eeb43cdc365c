"""
Keeps what a task knows of the data that its run reads and writes, for OpenLineage.

Nothing is asked of mParticle for it, and nothing is kept where OpenLineage is off. All is kept while the task is
executed: OpenLineage's listener looks at it in a fork, which must not ask Airflow for a connection or an XCom, since it
shares the socket of the process that forked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.models import WarehouseConnection
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.task_context import push

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator
    from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor

log = logging.getLogger(__name__)

# Under this key the part of a task after a wait in the triggerer finds what the part before it has read.
SOURCE_KEY = "mparticle_lineage"


@dataclass
class Lineage:
    """
    What a task has learned.

    :param source: What the data model reads: ``sql``, ``dialect``, and ``tables`` as pairs of namespace and name.
    :param run: The run, as a task returns it. Empty if the task has not seen its own run.
    """

    workspace_id: int
    source: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


def is_active() -> bool:
    """Return whether Airflow's OpenLineage provider is installed and has somewhere to send events to."""
    try:
        from airflow.providers.openlineage import conf
    except ImportError:
        return False
    return not conf.is_disabled()


def keep_source(
    operator: MParticleTriggerPipelineOperator,
    context: Context,
    hook: MParticleHook,
    sql: str,
    connection: WarehouseConnection | None,
) -> None:
    """
    Keep which tables a run reads.

    :param sql: What the data model holds.
    :param connection: mParticle's connection to the warehouse, where the task has read it. Else the warehouse is the
        one that the Airflow connection names.
    """

    def learn(lineage: Lineage) -> None:
        lineage.source = _source(hook, sql, connection)
        push(operator, context, SOURCE_KEY, lineage.source)

    _keep(operator, hook, learn)


def keep_run(
    operator: MParticleTriggerPipelineOperator | MParticlePipelineRunSensor,
    context: Context,
    hook: MParticleHook,
    run: Mapping[str, Any],
) -> None:
    """Keep what is known of the task's run, with what the part of the task before a deferral has kept."""

    def learn(lineage: Lineage) -> None:
        lineage.run = dict(run)
        lineage.source = lineage.source or _pushed(context)

    _keep(operator, hook, learn)


def _keep(operator: Any, hook: MParticleHook, learn: Callable[[Lineage], None]) -> None:
    """Let a task learn something, where OpenLineage is on; a failure is logged and fails nothing."""
    if not is_active():
        return
    try:
        operator._lineage = operator._lineage or Lineage(hook.get_conn().config.workspace_id)
        learn(operator._lineage)
    except Exception:  # an error in the lineage must not fail a run that succeeded
        log.warning("OpenLineage gets only a part of the lineage of this task.", exc_info=True)


def _source(hook: MParticleHook, sql: str, connection: WarehouseConnection | None) -> dict[str, Any]:
    from airflow_provider_mparticle.telemetry.source_tables import Warehouse, source_tables, warehouse_of

    named = hook.get_conn().config.warehouse_namespace
    warehouse = (connection and warehouse_of(connection)) or (Warehouse(named) if named else None)
    tables = source_tables(sql, warehouse) if warehouse else []
    return {"sql": sql, "dialect": warehouse and warehouse.kind, "tables": [[*table] for table in tables]}


def _pushed(context: Context) -> dict[str, Any]:
    ti = context["ti"]
    pushed = ti.xcom_pull(task_ids=ti.task_id, key=SOURCE_KEY, map_indexes=ti.map_index)
    return pushed if isinstance(pushed, dict) else {}
