"""The operator that plans in which slices history is ingested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import AirflowException, BaseHook, BaseOperator, conf

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.failures import failing_by_cause
from airflow_provider_mparticle.slice_arguments import (
    MAX_RECORDS,
    Granularity,
    check_counting,
    checked_granularity,
    zone_named,
)
from airflow_provider_mparticle.slice_planning import SlicePlan, plan_slices, read_count
from airflow_provider_mparticle.slice_sql import count_query, require_both_bounds
from airflow_provider_mparticle.slice_templates import rendered
from airflow_provider_mparticle.windows import Slice, read_instant

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection, Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook

# Types of connections whose own hook runs no SQL, though their provider has one that does: its arguments' name of the
# connection, its module, its class.
SQL_HOOKS = {
    "databricks": ("databricks_conn_id", "airflow.providers.databricks.hooks.databricks_sql", "DatabricksSqlHook"),
    "google_cloud_platform": ("gcp_conn_id", "airflow.providers.google.cloud.hooks.bigquery", "BigQueryHook"),
}
# BigQuery's hook takes SQL for the legacy dialect unless told otherwise.
HOOK_PARAMS = {name: {"use_legacy_sql": False} for name in ("gcpbigquery", "google_cloud_platform")}


class MParticlePlanSlicesOperator(BaseOperator):
    """
    Plan in which slices history is ingested, so that each fits into one on-demand run of mParticle.

    Counts rows in the warehouse, one query per slice it considers, and returns the slices for
    ``MParticleSyncSliceOperator.partial(...).expand_kwargs(plan.output)``. The slices follow one another without a gap
    or an overlap from *start* to *end*. A row whose time is NULL lies in none of them. The rows are counted now: leave
    room below the limit for those that arrive in a slice before it is ingested.

    The log has a table of the slices. The XCom ``report`` has them with their ``rows``.

    :param sql_conn_id: Id of the Airflow connection to the warehouse, of any provider whose hook runs SQL through
        ``common-sql``: Snowflake, Redshift, BigQuery, Databricks, PostgreSQL and others. (templated)
    :param start: First instant of the range, a datetime or ISO 8601; without a time zone it is UTC. (templated)
    :param end: First instant after the range, as *start*; it should lie in the past. (templated)
    :param table: Table or view to count in, qualified and quoted as the warehouse wants it. (templated)
    :param time_column: Its column of instants; for a type without a time zone they are taken for UTC, and BigQuery
        needs ``TIMESTAMP``. Goes with *table*. (templated)
    :param count_sql: Instead of *table*: a query that returns one row with one number, or a ``.sql`` file with one. It
        is a template that has, besides Airflow's context, the datetimes ``window_start`` (inclusive) and
        ``window_end`` (exclusive), both UTC, and must use both.
    :param max_records: Rows that a slice may hold at most. Default: 24 million, of which mParticle ingests no more in
        one on-demand run, unless the contract says otherwise.
    :param granularity: Finest slice: ``"hour"``, ``"day"``, ``"week"``, ``"month"`` or a timedelta, counted from
        *start*. Default: ``"hour"``.
    :param time_zone: Time zone in which days, weeks and months begin. Default: ``"UTC"``.
    :param hook_params: Further arguments of the connection's hook, for example ``{"location": "EU"}``. Default: none.
    :return: ``[{"window_start": "...", "window_end": "..."}, ...]``, ISO 8601 in UTC, in order. It is empty if the
        range holds no rows; Airflow then skips a task mapped over it.
    :raises AirflowFailException: An argument or the connection is malformed, or no slicing fits: the message names all
        slices that hold more than *max_records* at the finest granularity.

    Source: Warehouse Sync overview, "Limits".
    """

    template_fields: Sequence[str] = ("sql_conn_id", "table", "time_column", "start", "end")
    template_ext: Sequence[str] = (".sql",)

    def __init__(
        self,
        *,
        sql_conn_id: str,
        start: datetime | str,
        end: datetime | str,
        table: str | None = None,
        time_column: str | None = None,
        count_sql: str | None = None,
        max_records: int = MAX_RECORDS,
        granularity: Granularity = "hour",
        time_zone: str = "UTC",
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.start = start
        self.end = end
        self.table = table
        self.time_column = time_column
        self.count_sql = count_sql  # no template field: Airflow's context has neither window_start nor window_end
        self.max_records = max_records
        self.granularity = checked_granularity(granularity)
        self.time_zone = time_zone
        self.hook_params = hook_params
        check_counting(table, time_column, count_sql, max_records)
        zone_named(time_zone)

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Count, plan, and say so."""
        with failing_by_cause():
            whole = Slice(read_instant(self.start, "start"), read_instant(self.end, "end"))
            self._check_query(whole, context)
            hook = self.get_db_hook()
            plan = plan_slices(
                whole,
                partial(self._count, hook, context),
                max_records=self.max_records,
                granularity=self.granularity,
                zone=zone_named(self.time_zone),
            )
            self._tell(plan, whole)
            context["ti"].xcom_push(key="report", value=plan.report())
            plan.require_all_fit(self.granularity)
        return [one.span.as_dict() for one in plan.slices]

    def get_db_hook(self) -> DbApiHook:
        """
        Return the hook that runs SQL over the connection.

        :raises ConfigError: There is none, or a provider is not installed.
        """
        try:
            from airflow.providers.common.sql.hooks.sql import DbApiHook
        except ImportError as error:
            raise ConfigError(
                "Counting rows needs Airflow's common-sql provider: pip install "
                f"'airflow-provider-mparticle[common-sql]'. ({error})"
            ) from error
        connection = BaseHook.get_connection(self.sql_conn_id)
        hook = self._hook_of(connection)
        if not isinstance(hook, DbApiHook):
            raise ConfigError(
                f"Connection {self.sql_conn_id!r} has the type {connection.conn_type!r}, and its hook "
                f"{type(hook).__name__} runs no SQL: it has no get_records. Pass the connection to the warehouse as "
                "sql_conn_id. Nothing was sent."
            )
        return hook

    def _hook_of(self, connection: Connection) -> Any:
        conn_type = str(connection.conn_type)
        hook_params = {**HOOK_PARAMS.get(conn_type, {}), **(self.hook_params or {})}
        try:
            if conn_type not in SQL_HOOKS:
                return connection.get_hook(hook_params=hook_params)  # type: ignore[no-untyped-call]  # Airflow's
            conn_id_name, module, name = SQL_HOOKS[conn_type]
            return getattr(import_module(module), name)(**{conn_id_name: self.sql_conn_id}, **hook_params)
        except (AirflowException, ImportError, TypeError) as error:
            raise ConfigError(
                f"Connection {self.sql_conn_id!r} of type {conn_type!r} has no hook to be had: {error}. Install its "
                "provider, and check hook_params. Nothing was sent."
            ) from error

    def _check_query(self, whole: Slice, context: Context) -> None:
        """Refuse a query that would count the wrong rows, before anything is sent."""
        if self.count_sql is None:
            self._query(whole, None, context)
        else:
            render = partial(rendered, self, "count_sql", context)
            require_both_bounds("count_sql", render, whole, self.granularity, zone_named(self.time_zone))

    def _count(self, hook: DbApiHook, context: Context, spans: Sequence[Slice]) -> list[int]:
        """Count the rows of slices, one query for each, over one connection."""
        self.log.info("Counting the rows of %d slices.", len(spans))
        queries = [self._query(span, hook, context) for span in spans]
        # Two rows are enough to see that a query is not a count.
        found = hook.run(queries, handler=lambda cursor: cursor.fetchmany(2), split_statements=False, return_last=False)
        return [read_count(rows, query) for rows, query in zip(cast("list[Any]", found), queries, strict=True)]

    def _query(self, span: Slice, hook: DbApiHook | None, context: Context) -> str:
        if self.count_sql is None:
            names = cast("str", self.table), cast("str", self.time_column)
            return count_query(*names, span, getattr(hook, "conn_type", None))
        return rendered(self, "count_sql", context, span.start, span.end)

    def _tell(self, plan: SlicePlan, whole: Slice) -> None:
        if not plan.slices:
            self.log.info("No slices: %s holds no rows. Queries: %d.", whole, plan.queries)
        for line in plan.lines() if plan.slices else ():
            self.log.info("%s", line)
        if whole.end > datetime.now(UTC):
            self.log.warning("The range ends in the future: rows that arrive after a slice is ingested will be missed.")
        if plan.disagreements:
            self.log.warning(
                "The rows of %d slices do not add up; the first: %s. Rows came or went between the counts, or "
                "count_sql does not count from window_start (inclusive) to window_end (exclusive).",
                len(plan.disagreements),
                plan.disagreements[0],
            )
        at_most = conf.getint("core", "max_map_length", fallback=1024)
        if len(plan.slices) > at_most:
            self.log.warning(
                "There are %d slices, but Airflow maps a task over %d at most ([core] max_map_length), and fails this "
                "one if there is a mapped task. Raise that, or plan a shorter range.",
                len(plan.slices),
                at_most,
            )
