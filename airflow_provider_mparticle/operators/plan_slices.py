"""The operator that plans the slices of a backfill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.operators.operator_arguments import EnumTemplates, is_mapped
from airflow_provider_mparticle.slices.arguments import (
    MAX_RECORDS,
    Granularity,
    TimeColumnType,
    check_counting,
    check_time_column_type,
    checked_granularity,
    zone_named,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook


class MParticlePlanSlicesOperator(EnumTemplates, BaseOperator):
    """
    Plan the slices of a backfill, so that each slice fits into one on-demand run of mParticle.

    The task counts rows in the warehouse with one query for each slice that it considers. It returns the slices for
    ``MParticleSyncSliceOperator.partial(...).expand_kwargs(plan.output)``. The slices cover the time from *start* to
    *end* without gaps or overlaps. They do not contain rows whose time is NULL. The rows are counted when the task
    runs: leave room below the limit for rows that arrive before their slice is ingested.

    The log shows a table of the slices. The XCom ``report`` contains the slices with their ``rows``.

    :param sql_conn_id: Id of the Airflow connection to the warehouse. Its hook must run SQL through ``common-sql``, as
        those of Snowflake, Redshift, BigQuery, Databricks, PostgreSQL and others do. (templated)
    :param start: First instant of the range, a datetime or ISO 8601. Without a time zone it is UTC. (templated)
    :param end: First instant after the range, in the same forms. It should be in the past. (templated)
    :param table: Table or view whose rows are counted, qualified and quoted as the warehouse requires. (templated)
    :param time_column: Column with the time of a row. Needs *table*. (templated)
    :param time_column_type: Type of *time_column*: ``"timestamp"``, ``"timestamp_tz"``, ``"timestamp_ltz"``,
        ``"timestamp_ntz"``, ``"datetime"``, ``"date"``, ``"timestamp_unixtime_s"`` or ``"timestamp_unixtime_ms"``.
        Default: ``"timestamp"``.
    :param time_column_zone: Time zone of the values, if *time_column_type* is ``"timestamp_ntz"``, ``"datetime"`` or
        ``"date"``. Default: ``"UTC"``.
    :param count_sql: Alternative to *table*: a query that returns one row with one number, or a ``.sql`` file with the
        query. It is a template. In addition to Airflow's context it has the UTC datetimes ``window_start`` (inclusive)
        and ``window_end`` (exclusive), and it must use both.
    :param max_records: Largest number of rows in a slice. Default: 24 million, the limit of one on-demand run unless
        your contract has another one.
    :param granularity: Shortest slice: ``"hour"``, ``"day"``, ``"week"``, ``"month"``, or a timedelta that is counted
        from *start*. Default: ``"hour"``.
    :param time_zone: Time zone in which days, weeks and months begin. Default: ``"UTC"``.
    :param hook_params: Additional arguments for the hook of the connection, for example ``{"location": "EU"}``.
        Default: none.
    :return: ``[{"window_start": "...", "window_end": "..."}, ...]``, ISO 8601 in UTC, in order. The list is empty if
        the range has no rows; Airflow then skips a task that is mapped over it.
    :raises AirflowFailException: An argument is malformed, the connection does not exist or does not run SQL,
        *time_column* is text, or a slice has more than *max_records* rows even at the finest granularity. The message
        names all such slices.

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
        time_column_type: TimeColumnType = "timestamp",
        time_column_zone: str = "UTC",
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
        self.time_column_type = time_column_type
        self.time_column_zone = time_column_zone
        self.count_sql = count_sql  # not a template field: Airflow's context has no window_start and no window_end
        self.max_records = max_records
        self.granularity = granularity
        self.time_zone = time_zone
        self.hook_params = hook_params
        if not is_mapped(self):
            self.check_arguments()

    def check_arguments(self) -> None:
        """
        Check the arguments that are not templates, when the DAG file is parsed and when the task runs.

        :raises ConfigError: An argument is malformed.
        """
        check_counting(self.table, self.time_column, self.count_sql, self.max_records)
        checked_granularity(self.granularity)
        check_time_column_type(self.time_column_type, self.time_column_zone)
        zone_named(self.time_zone)

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Count the rows, plan the slices, and log the plan."""
        from airflow_provider_mparticle.tasks.plan_slices import PlanSlicesTask

        return PlanSlicesTask(self, context).execute()

    def get_db_hook(self) -> DbApiHook:
        """
        Return the hook that runs SQL with the Airflow connection.

        :raises ConfigError: The connection does not exist or does not run SQL, or a provider is not installed.
        """
        from airflow_provider_mparticle.tasks.plan_slices import sql_hook

        return sql_hook(self.sql_conn_id, self.hook_params)
