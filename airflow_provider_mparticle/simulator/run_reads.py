"""
Determines what a run reads from the warehouse. It reads once, after the states triggered and queued.

Source: Warehouse Sync API reference, "Create a pipeline": sync mode.

Assumed, the documentation does not say:
- a run reads with the SQL, the data model and the sync mode that its pipeline has at that instant;
- an incremental run reads rows after its ``range_start``, up to and including its ``range_end`` and ``until``; the
  option ``from_is_inclusive`` decides whether the first run reads rows exactly at ``from``;
- an incremental run does not read a row whose iterator is null;
- a query without the iterator column, or with an iterator that is not an instant, makes the run fail;
- the iterator column is found without regard to case, and an iterator without a zone is UTC.

Not simulated: ``sync_mode.time_zone``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.timestamps import moment, unix
from airflow_provider_mparticle.simulator.warehouse import QueryError

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.http_messages import JsonObject
    from airflow_provider_mparticle.simulator.warehouse import Result, Warehouse

# Units per second of the Unix times. Every other iterator data type is a text.
_PER_SECOND = {"timestamp_unixtime_s": 1, "timestamp_unixtime_ms": 1000}


@dataclass(frozen=True)
class Reading:
    """What a run has read: the number of rows and their keys, or the problem."""

    rows: int = 0
    keys: tuple[Any, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Window:
    """The part of a query's result that an incremental run reads. Instants are Unix times."""

    field: str
    data_type: str
    after: float = -math.inf
    at_start: bool = False
    """Whether a row exactly at *after* is read."""
    until: float = math.inf

    def holds(self, value: Any) -> bool:
        """Return whether a row with this iterator is read."""
        if value is None:
            return False
        instant = self._instant(value)
        return (instant > self.after or (self.at_start and instant == self.after)) and instant <= self.until

    def _instant(self, value: Any) -> float:
        per_second = _PER_SECOND.get(self.data_type)
        try:
            return float(value) / per_second if per_second else moment(str(value)).timestamp()
        except (ValueError, OverflowError) as error:
            raise QueryError(f"{value!r} in the iterator column {self.field!r} is not a {self.data_type}.") from error


def window(mode: JsonObject, start: float | None, end: float | None, *, at_start: bool) -> Window | None:
    """
    Return the window of a run, or None for a full run.

    :param mode: The pipeline's ``sync_mode``.
    :param start: The run's ``range_start``, None for no bound.
    :param end: The run's ``range_end``, None for no bound.
    :param at_start: Whether a row exactly at *start* is read.
    """
    if mode["type"] == "full":
        return None
    ends = [one for one in (end, unix(mode.get("until"), "sync_mode.until")) if one is not None]
    return Window(
        field=str(mode["iterator_field"]),
        data_type=str(mode["iterator_data_type"]).lower(),
        after=-math.inf if start is None else start,
        at_start=at_start,
        until=min(ends, default=math.inf),
    )


def read(warehouse: Warehouse, sql: str, part: Window | None) -> Reading | None:
    """Return the rows of the SQL, or of *part* of them, or None if the SQL does not name a source table."""
    try:
        result = warehouse.query(sql)
        if result is None:
            return None
        rows = result.rows if part is None else _within(result, part)
    except QueryError as error:
        return Reading(problem=str(error))
    places = [result.place(key) for key in result.keys]
    return Reading(len(rows), tuple(row[place] for place in places if place is not None for row in rows))


def _within(result: Result, part: Window) -> list[tuple[Any, ...]]:
    place = result.place(part.field)
    if place is None:
        raise QueryError(f"The query returns no column {part.field!r}, which sync_mode.iterator_field names.")
    return [row for row in result.rows if part.holds(row[place])]
