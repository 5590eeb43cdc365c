"""
Cuts history into few slices, each with few enough rows for one run, with as few counts as possible.

The whole range is counted first. A slice with too many rows is cut and counted again: by month, week, day and hour, and
before that, if the range has many years, by centuries, decades and years. Then neighbours that fit into one slice are
merged, which needs no count. Must not know how rows are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from itertools import chain, islice, pairwise
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import CALENDAR_UNITS, MAX_RECORDS, Granularity, checked_granularity
from airflow_provider_mparticle.slices.calendar_units import midnight, split
from airflow_provider_mparticle.slices.slice import LATEST, Slice, in_zone

# Counts the rows of each slice, with one query per slice.
Count = Callable[[Sequence[Slice]], Sequence[int]]
Cut = Callable[[Slice], list[Slice]]
CanCut = Callable[[datetime], bool]

# Coarse cuts, in years, for ranges of more than ten of each. A range from the year 1 has 24,000 months to count.
YEARS = (100, 10, 1)

# How many multiples of a duration are tried as the end of a slice. A column cannot be cut within hours that clocks show
# twice.
TRIES_TO_HALVE = 10_000


@dataclass(frozen=True)
class CountedSlice:
    """A slice and the number of its rows."""

    slice: Slice
    rows: int


@dataclass(frozen=True)
class Disagreement:
    """
    A slice that had a different number of rows than its parts together.

    Either rows were added or deleted between the counts, or the query does not count the rows from the start
    (inclusive) to the end (exclusive).
    """

    slice: Slice
    rows: int
    rows_in_parts: int

    def __str__(self) -> str:
        return f"{self.slice} had {self.rows:,} rows, its parts {self.rows_in_parts:,}"


@dataclass(frozen=True)
class SlicePlan:
    """
    The slices in which to ingest a range.

    :param slices: The slices in order. They cover the range exactly; empty if the range has no rows.
    :param max_records: Largest number of rows that a slice should have.
    :param queries: The number of counts, with one query each.
    :param disagreements: Where counts do not add up.
    """

    slices: tuple[CountedSlice, ...]
    max_records: int
    queries: int
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows of all slices together."""
        return sum(one.rows for one in self.slices)

    @property
    def oversized(self) -> tuple[CountedSlice, ...]:
        """The slices that have too many rows and cannot be cut."""
        return tuple(one for one in self.slices if one.rows > self.max_records)

    def report(self) -> list[dict[str, Any]]:
        """Return the slices and their rows as JSON."""
        return [{**one.slice.as_dict(), "rows": one.rows} for one in self.slices]

    def lines(self) -> Iterator[str]:
        """Yield the lines of a table of the slices, and a line of totals."""
        yield f"{'from':25}  {'until':25}  {'rows':>15}  share of limit"
        for one in self.slices:
            bounds = f"{one.slice.start.isoformat():25}  {one.slice.end.isoformat():25}"
            mark = "  too many" if one.rows > self.max_records else ""
            yield f"{bounds}  {one.rows:15,}  {one.rows / self.max_records:14.1%}{mark}"
        yield (
            f"Slices: {len(self.slices):,}. Rows: {self.rows:,}. "
            f"Limit of rows per slice: {self.max_records:,}. Queries: {self.queries:,}."
        )

    def require_all_fit(self, granularity: Granularity) -> None:
        """
        Refuse a plan with slices that mParticle would not ingest completely.

        :raises ConfigError: The plan has such slices; the message names all of them, with their rows.
        """
        if not self.oversized:
            return
        named = "; ".join(f"{one.slice} with {one.rows:,} rows" for one in self.oversized)
        raise ConfigError(
            f"{len(self.oversized)} of {len(self.slices)} slices have more than max_records={self.max_records:,} rows "
            f"and cannot be cut at granularity={granularity!r}: {named}. Pass a finer granularity, for example "
            "timedelta(minutes=10); or a higher max_records, if your contract with mParticle allows more records per "
            "run; or count and sync fewer rows, for example one source at a time. The log and the XCom 'report' have "
            "the other slices. Nothing was sent to mParticle."
        )


def plan_slices(
    whole: Slice,
    count: Count,
    *,
    max_records: int = MAX_RECORDS,
    granularity: Granularity = "hour",
    zone: tzinfo = UTC,
    can_cut: CanCut = lambda _: True,
) -> SlicePlan:
    """
    Cut a range into few slices of at most *max_records* rows.

    :param whole: The range.
    :param count: Counts the rows of slices. It is called once for the range and once for each unit.
    :param max_records: Largest number of rows that a slice should have. Default: 24 million.
    :param granularity: Smallest unit or duration of a slice. A slice of this size with more rows becomes an oversized
        slice. A duration is counted from the start of the range, and the range is bisected. Default: ``"hour"``.
    :param zone: Time zone of days, weeks and months. Default: UTC.
    :param can_cut: Returns whether a slice can end at an instant, for columns that cannot be cut everywhere. Default:
        at every instant.
    :raises ConfigError: The granularity is unknown.
    """
    pieces = [CountedSlice(whole, *count([whole]))]
    queries, disagreements = 1, list[Disagreement]()
    for cut in _cuts(whole, granularity, zone, can_cut):
        parts = {piece: cut(piece.slice) for piece in pieces if piece.rows > max_records}
        counted = _counted({piece: cuts for piece, cuts in parts.items() if len(cuts) > 1}, count)
        pieces = [part for piece in pieces for part in counted.get(piece, [piece])]
        queries += sum(map(len, counted.values()))
        disagreements += _disagreements(counted)
    slices = _merged(pieces, max_records) if any(piece.rows for piece in pieces) else []
    return SlicePlan(tuple(slices), max_records, queries, tuple(disagreements))


def _cuts(whole: Slice, granularity: Granularity, zone: tzinfo, can_cut: CanCut) -> list[Cut]:
    """Return the ways to cut a slice, the coarse ones first."""
    unit = checked_granularity(granularity)
    if isinstance(unit, timedelta):
        return [partial(_halves, unit=unit, can_cut=can_cut)] * _units(whole, unit).bit_length()
    coarse_first = CALENDAR_UNITS[CALENDAR_UNITS.index(unit) :][::-1]
    by_years = [partial(_cut_by_years, years=years, zone=zone) for years in YEARS]
    by_unit = [partial(_cut_by_unit, unit=each, zone=zone) for each in coarse_first]
    return [partial(_cut_where_possible, cut=cut, can_cut=can_cut) for cut in (*by_years, *by_unit)]


def _cut_where_possible(whole: Slice, cut: Cut, can_cut: CanCut) -> list[Slice]:
    """Cut a slice, but not at instants at which the column cannot be cut."""
    bounds = [whole.start, *(part.start for part in cut(whole)[1:] if can_cut(part.start)), whole.end]
    return [Slice(*pair) for pair in pairwise(bounds)]


def _cut_by_years(whole: Slice, years: int, zone: tzinfo) -> list[Slice]:
    """Cut a slice at each multiple of *years*, or not at all if it is short."""
    if whole.end - whole.start <= timedelta(days=10 * 366 * years):
        return [whole]
    first = in_zone(whole.start, zone).year // years * years
    starts = (_new_year(year, zone) for year in range(first + years, in_zone(whole.end, zone).year + 1, years))
    bounds = [whole.start, *(start for start in starts if whole.start < start < whole.end), whole.end]
    return [Slice(*pair) for pair in pairwise(bounds)]


def _new_year(year: int, zone: tzinfo) -> datetime:
    return midnight(date(year, 1, 1), zone) if year <= date.max.year else LATEST


def _cut_by_unit(whole: Slice, unit: Granularity, zone: tzinfo) -> list[Slice]:
    return [*split(whole.start, whole.end, unit, zone)]


def _units(whole: Slice, unit: timedelta) -> int:
    """Return the number of durations in a slice; the last one may be shorter."""
    return -((whole.start - whole.end) // unit)


def _halves(whole: Slice, unit: timedelta, can_cut: CanCut) -> list[Slice]:
    """Cut a slice in two at a multiple of a duration near its middle, or not at all if no multiple can be used."""
    units = _units(whole, unit)
    near_middle = islice(chain(range(units // 2, units), range(units // 2 - 1, 0, -1)), TRIES_TO_HALVE)
    for middle in (whole.start + number * unit for number in near_middle if number):
        if can_cut(middle):
            return [Slice(whole.start, middle), Slice(middle, whole.end)]
    return [whole]


def _counted(parts: dict[CountedSlice, list[Slice]], count: Count) -> dict[CountedSlice, list[CountedSlice]]:
    """Return the parts with their rows. They are counted together, so that *count* can use one connection for them."""
    cuts = [cut for each in parts.values() for cut in each]
    rows = dict(zip(cuts, count(cuts) if cuts else [], strict=True))
    return {piece: [CountedSlice(cut, rows[cut]) for cut in each] for piece, each in parts.items()}


def _disagreements(counted: dict[CountedSlice, list[CountedSlice]]) -> Iterator[Disagreement]:
    for piece, parts in counted.items():
        if (rows := sum(part.rows for part in parts)) != piece.rows:
            yield Disagreement(piece.slice, piece.rows, rows)


def _merged(pieces: Iterable[CountedSlice], max_records: int) -> list[CountedSlice]:
    """Return the pieces after merging neighbours whose rows fit into one slice."""
    merged: list[CountedSlice] = []
    for piece in pieces:
        if merged and merged[-1].rows + piece.rows <= max_records:
            last = merged.pop()
            piece = CountedSlice(Slice(last.slice.start, piece.slice.end), last.rows + piece.rows)
        merged.append(piece)
    return merged


def read_count(rows: Sequence[Sequence[Any]] | None, query: str) -> int:
    """
    Return the number of rows from the answer to a count query.

    :param rows: The rows of the answer.
    :param query: The query, for the message.
    :raises ConfigError: The answer is not one row with one whole number.
    """
    if rows and len(rows) == 1 and len(rows[0]) == 1:
        value: Any = rows[0][0]
        is_number = type(value) in (int, float, Decimal)  # not isinstance, since True is also an int
        if is_number and value % 1 == 0 and value >= 0:
            return int(value)
    answer = "no row" if not rows else "several rows" if len(rows) > 1 else repr(tuple(rows[0]))
    raise ConfigError(
        f"A count query must return one row with one number, the count of rows. This query returned {answer}: {query}. "
        "Nothing was sent to mParticle."
    )
