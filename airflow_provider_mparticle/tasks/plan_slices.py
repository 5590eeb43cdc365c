"""Plans the slices of a backfill by counting rows in the warehouse, for ``MParticlePlanSlicesOperator``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook, conf

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import zone_named
from airflow_provider_mparticle.slices.bounds_check import require_both_bounds
from airflow_provider_mparticle.slices.slice import Slice, read_instant
from airflow_provider_mparticle.slices.slice_plan import SlicePlan, plan_slices, read_count
from airflow_provider_mparticle.slices.slice_sql import count_query, sample_query
from airflow_provider_mparticle.slices.time_type import TimeType, dialect_of
from airflow_provider_mparticle.tasks.arguments import read_id, read_mapping
from airflow_provider_mparticle.tasks.failures import fail_without_retry
from airflow_provider_mparticle.tasks.sql_templates import rendered
from airflow_provider_mparticle.tasks.task_context import push

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection, Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    from airflow_provider_mparticle.operators.plan_slices import MParticlePlanSlicesOperator

# Connection types whose own hook does not run SQL, although their provider has another hook that does. For that hook:
# the argument for the connection id, the module, and the class.
SQL_HOOKS = {
    "databricks": ("databricks_conn_id", "airflow.providers.databricks.hooks.databricks_sql", "DatabricksSqlHook"),
    "google_cloud_platform": ("gcp_conn_id", "airflow.providers.google.cloud.hooks.bigquery", "BigQueryHook"),
}
# By default, the hook of BigQuery uses the legacy SQL dialect.
HOOK_PARAMS = {name: {"use_legacy_sql": False} for name in ("gcpbigquery", "google_cloud_platform")}

# These warehouses compare a text column with a bound as text. Others refuse the comparison or parse the text as a time.
COMPARE_TEXT = ("snowflake", "redshift", "postgres")


class PlanSlicesTask:
    """
    One try of a task that plans slices.

    :param operator: The operator that the DAG declares.
    :param context: Airflow's context of this try.
    """

    def __init__(self, operator: MParticlePlanSlicesOperator, context: Context) -> None:
        self.operator = operator
        self.context = context
        self.log = operator.log

    def execute(self) -> list[dict[str, str]]:
        """Count the rows, plan the slices, log the plan, and return the slices."""
        with fail_without_retry():
            self.operator.check_arguments()
            self.operator.sql_conn_id = read_id("sql_conn_id", self.operator.sql_conn_id)
            whole = Slice(read_instant(self.operator.start, "start"), read_instant(self.operator.end, "end"))
            self._check_query(whole)
            hook = self.operator.get_db_hook()
            self._check_column(hook)
            granularity, zone = self._time_type.finest(self.operator.granularity, zone_named(self.operator.time_zone))
            plan = plan_slices(
                whole,
                partial(self._count, hook),
                max_records=self.operator.max_records,
                granularity=granularity,
                zone=zone,
                can_cut=self._time_type.can_cut,
            )
            self._log_plan(plan, whole)
            push(self.operator, self.context, "report", plan.report())
            plan.require_all_fit(granularity)
        return [one.slice.as_dict() for one in plan.slices]

    def _check_query(self, whole: Slice) -> None:
        """Refuse a query that would count the wrong rows, before it is sent."""
        if self.operator.count_sql is None:
            self._query(whole, None)
            return
        zone = zone_named(self.operator.time_zone)
        for warning in require_both_bounds("count_sql", self._rendered, whole, self.operator.granularity, zone):
            self.log.warning("%s", warning)

    def _check_column(self, hook: DbApiHook) -> None:
        """Refuse a text column if the warehouse would compare it as text, which loses rows at midnight."""
        if self.operator.count_sql is not None or dialect_of(getattr(hook, "conn_type", None)) not in COMPARE_TEXT:
            return
        query = sample_query(*self._names)
        rows: Any = hook.run(query, handler=lambda cursor: cursor.fetchmany(1))
        if rows and isinstance(rows[0][0], str):
            raise ConfigError(
                f"time_column {self.operator.time_column} of {self.operator.table} contains text, such as "
                f"{rows[0][0]!r}, which sorts by letters and not by time. Use a view that casts it to a date or "
                "timestamp, or pass count_sql. Nothing was sent to mParticle."
            )

    def _count(self, hook: DbApiHook, slices: Sequence[Slice]) -> list[int]:
        """Count the rows of several slices, with one query for each and one connection."""
        self.log.info("Counting the rows of %d slices.", len(slices))
        queries = [self._query(one, hook) for one in slices]
        # A count is one row, so a second row shows that the query is wrong.
        found = hook.run(queries, handler=lambda cursor: cursor.fetchmany(2), split_statements=False, return_last=False)
        return [read_count(rows, query) for rows, query in zip(cast("list[Any]", found), queries, strict=True)]

    def _query(self, slice_: Slice, hook: DbApiHook | None) -> str:
        if self.operator.count_sql is None:
            return count_query(*self._names, slice_, getattr(hook, "conn_type", None), self._time_type)
        return self._rendered(slice_.start, slice_.end)

    @property
    def _time_type(self) -> TimeType:
        return TimeType(self.operator.time_column_type, zone_named(self.operator.time_column_zone))

    @property
    def _names(self) -> tuple[str, str]:
        return cast("str", self.operator.table), cast("str", self.operator.time_column)

    def _rendered(self, window_start: datetime, window_end: datetime) -> str:
        return rendered(self.operator, "count_sql", self.context, window_start, window_end)

    def _log_plan(self, plan: SlicePlan, whole: Slice) -> None:
        if not plan.slices:
            self.log.info("No slices: %s has no rows. Queries: %d.", whole, plan.queries)
        for line in plan.lines() if plan.slices else ():
            self.log.info("%s", line)
        if whole.end > datetime.now(UTC):
            self.log.warning(
                "The range ends in the future. Rows that arrive after their slice is ingested will be missed."
            )
        if plan.disagreements:
            self.log.warning(
                "The counts of %d slices do not match their parts. The first is %s. Rows were added or deleted between "
                "the counts, or count_sql does not count from window_start (inclusive) to window_end (exclusive).",
                len(plan.disagreements),
                plan.disagreements[0],
            )
        at_most = conf.getint("core", "max_map_length", fallback=1024)
        if len(plan.slices) > at_most:
            self.log.warning(
                "The plan has %d slices, but Airflow maps a task over at most %d ([core] max_map_length). If a task is "
                "mapped over them, Airflow fails this task. Raise that limit, or plan a shorter range.",
                len(plan.slices),
                at_most,
            )


def sql_hook(sql_conn_id: str, hook_params: Mapping[str, Any] | None) -> DbApiHook:
    """
    Return the hook that runs SQL with an Airflow connection.

    :raises ConfigError: The connection does not exist or does not run SQL, or a provider is not installed.
    """
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError as error:
        raise ConfigError(
            "Counting rows needs Airflow's common-sql provider: pip install "
            f"'airflow-provider-mparticle[common-sql]'. ({error})"
        ) from error
    try:
        connection = BaseHook.get_connection(sql_conn_id)
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"Airflow connection {sql_conn_id!r}, named by sql_conn_id, does not exist. The rows are counted with it: "
            "create it, or pass the id of the connection to your warehouse. Nothing was sent to mParticle."
        ) from error
    hook = _hook_of(connection, sql_conn_id, read_mapping("hook_params", hook_params or {}))
    if not isinstance(hook, DbApiHook):
        raise ConfigError(
            f"Airflow connection {sql_conn_id!r} has the type {connection.conn_type!r}, and its hook "
            f"{type(hook).__name__} does not run SQL: it has no method get_records. Pass the connection to the "
            "warehouse as sql_conn_id. Nothing was sent to mParticle."
        )
    return hook


def _hook_of(connection: Connection, sql_conn_id: str, hook_params: Mapping[str, Any]) -> Any:
    conn_type = str(connection.conn_type)
    hook_params = {**HOOK_PARAMS.get(conn_type, {}), **hook_params}
    try:
        if conn_type not in SQL_HOOKS:
            return connection.get_hook(hook_params=hook_params)  # type: ignore[no-untyped-call]  # Airflow's
        conn_id_name, module, name = SQL_HOOKS[conn_type]
        return getattr(import_module(module), name)(**{conn_id_name: sql_conn_id}, **hook_params)
    except (AirflowException, ImportError, TypeError) as error:
        raise ConfigError(
            f"The hook of Airflow connection {sql_conn_id!r} of type {conn_type!r} cannot be created: {error}. Install "
            "its provider, and check hook_params. Nothing was sent to mParticle."
        ) from error
