"""
Helpers for the sync modes and schedules of pipelines. Each is a plain dict in the form that mParticle expects.

Source: Warehouse Sync API reference, "Sync modes" and "Schedules".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

Frequency = Literal["hourly", "daily", "weekly", "monthly"]


class FullSync(dict[str, Any]):
    """Sync mode: every run reads everything that the data model's query returns."""

    def __init__(self) -> None:
        super().__init__(type="full")


class IncrementalSync(dict[str, Any]):
    """
    Sync mode: the first run reads all rows after *from_*, later runs read rows newer than the last successful run.

    :param iterator_field: Column by which mParticle recognizes new rows.
    :param iterator_data_type: Type of that column: ``timestamp``, ``datetime``, ``date``, ``timestamp_ltz``,
        ``timestamp_ntz``, ``timestamp_tz``, ``timestamp_unixtime_s`` or ``timestamp_unixtime_ms``.
    :param from_: Earliest value that is read, a datetime or ISO 8601. Default: no lower bound.
    :param until: Last value that is read, in the same forms. Default: no upper bound.
    :param time_zone: Time zone of values that do not have one. Default: mParticle's default.
    """

    def __init__(
        self,
        iterator_field: str,
        iterator_data_type: str,
        from_: datetime | str | None = None,
        until: datetime | str | None = None,
        time_zone: str | None = None,
    ) -> None:
        super().__init__(
            _given(
                type="incremental",
                iterator_field=iterator_field,
                iterator_data_type=iterator_data_type,
                **{"from": from_},
                until=until,
                time_zone=time_zone,
            )
        )


class OnDemand(dict[str, Any]):
    """Schedule: mParticle starts a run only on request."""

    def __init__(self) -> None:
        super().__init__(type="on_demand")


class Every(dict[str, Any]):
    """
    Schedule: mParticle starts a run every hour, day, week or month.

    :param frequency: ``"hourly"``, ``"daily"``, ``"weekly"`` or ``"monthly"``.
    :param start: When the schedule starts, a datetime or ISO 8601. Default: mParticle's default.
    :param end: When the schedule ends, in the same forms. Default: never.
    :param delay: Time between the end of an interval and the start of its run, for example ``"1d"``. Default: none.
    """

    def __init__(
        self,
        frequency: Frequency,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        delay: str | None = None,
    ) -> None:
        super().__init__(_given(type="interval", frequency=frequency, start=start, end=end, delay=delay))


class Once(dict[str, Any]):
    """
    Schedule: mParticle starts one single run.

    :param start: When the run starts, a datetime or ISO 8601. Default: mParticle's default.
    """

    def __init__(self, start: datetime | str | None = None) -> None:
        super().__init__(_given(type="once", start=start))


def _given(**fields: Any) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None
    }
