"""The operator that plans in which slices history is ingested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.slices.arguments import (
    MAX_RECORDS,
    Granularity,
    check_counting,
    checked_granularity,
    zone_named,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook


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
        from airflow_provider_mparticle.tasks.plan_slices import PlanSlicesTask

        return PlanSlicesTask(self, context).execute()

    def get_db_hook(self) -> DbApiHook:
        """
        Return the hook that runs SQL over the connection.

        :raises ConfigError: There is none, or a provider is not installed.
        """
        from airflow_provider_mparticle.tasks.plan_slices import sql_hook

        return sql_hook(self.sql_conn_id, self.hook_params)
