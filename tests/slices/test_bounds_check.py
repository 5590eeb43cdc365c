"""Templates that use both bounds of a slice, and templates that only seem to."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration import sql_parser
from airflow_provider_mparticle.slices.arguments import Granularity
from airflow_provider_mparticle.slices.bounds_check import require_both_bounds
from airflow_provider_mparticle.slices.calendar_units import slice_at
from airflow_provider_mparticle.slices.slice import Slice

DAY = Slice("2026-01-01", "2026-01-02")
YEAR = Slice("2025-01-01", "2026-01-01")
START, END = "{{ window_start }}", "{{ window_end }}"


def warnings_for(where: str, whole: Slice = DAY, sql: str = "SELECT id FROM shop.public.orders WHERE ") -> list[str]:
    """The warnings of the check for a template with this condition."""
    template = Environment(autoescape=False).from_string(sql + where)  # noqa: S701 - SQL is not HTML

    def render(window_start: datetime, window_end: datetime) -> str:
        return template.render(window_start=window_start, window_end=window_end, day=timedelta(days=1))

    return require_both_bounds("sql", render, whole, whole.end - whole.start)


@pytest.mark.parametrize(
    "where",
    [
        f"at >= '{START}' AND at < '{END}'",
        f"'{START}' <= at AND '{END}' > at",
        f"at >= TIMESTAMP '{START}' AND at < TIMESTAMP '{END}'",
        f"at >= '{START}'::TIMESTAMP_NTZ AND at < CAST('{END}' AS TIMESTAMP)",
        f"at >= TO_TIMESTAMP('{START}') AND at < TO_TIMESTAMP('{END}')",
        "at >= {{ window_start.timestamp() | int }} AND at < {{ window_end.timestamp() | int }}",
        "dt >= '{{ window_start.date() }}' AND dt < '{{ window_end.date() }}'",
        "dt BETWEEN '{{ window_start.date() }}' AND '{{ (window_end - day).date() }}'",
        f"at >= '{START}' AND at <= '{END}'::TIMESTAMP - INTERVAL '1 second'",
        f"NOT (at < '{START}' OR at >= '{END}')",
        f"(at >= '{START}' AND at < '{END}') -- from {START} to {END}",
        f"began < '{END}' AND ended >= '{START}'",
        "at >= DATEADD(day, -1, '{{ window_end }}') AND at < DATEADD(day, 1, '{{ window_start }}')",
        f"(kind = 1 AND at >= '{START}' AND at < '{END}') OR (kind = 2 AND cr >= '{START}' AND cr < '{END}')",
        f"at >= '{START}' AND at < '{END}' UNION ALL SELECT id FROM b WHERE at >= '{START}' AND at < '{END}'",
        f"at >= '{START}' AND at < '{END}' AND (id = 1 OR id IS NULL)",
        "a text that no parser reads '{{ window_start }}' ( '{{ window_end }}'",
        f"'{END}' BETWEEN began AND ended AND at >= '{START}' AND at < '{END}'",
        "at >= '{{ window_start.strftime('%d.%m.%Y') }}' AND at <= '{{ window_end.strftime('%d.%m.%Y') }}'",
        # Without the escapes of BigQuery, everything after these two hyphens would be a comment.
        f"x = 'it\\'s' AND y = '--' AND at >= '{START}' AND at < '{END}'",
    ],
)
def test_a_query_whose_slices_touch_has_no_warning(where: str) -> None:
    """Users learn to ignore warnings if there are false ones."""
    assert [] == warnings_for(where)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (f"at BETWEEN '{START}' AND '{END}'", "BETWEEN, which includes window_end"),
        (f"at >= '{START}' AND at <= '{END}'", "<= window_end: a row at exactly that instant is in two slices"),
        (f"'{END}' >= at AND at >= '{START}'", "<= window_end"),
        (f"at > '{START}' AND at < '{END}'", "> window_start: a row at exactly that instant is in no slice"),
        (f"at >= TIMESTAMP '{START}' AND at <= TIMESTAMP('{END}')", "<= window_end"),
        ("dt BETWEEN '{{ window_start.date() }}' AND '{{ window_end.date() }}'", "BETWEEN"),
        ("at >= {{ window_start.timestamp() }} AND at <= {{ window_end.timestamp() }}", "<= window_end"),
        ("at >= {{ window_start.timestamp() * 1000 }} AND at <= {{ window_end.timestamp() * 1000 }}", "<= window_end"),
        (f"at >= '{START}' AND at < '{END}' OR at IS NULL", "lets rows pass that are not compared with window_start"),
        (f"at >= '{START}' AND at < '{END}' UNION ALL SELECT id FROM b", "lets rows pass that are not compared"),
        (f"note = 'from {START} to {END}'", "compares no column with window_start"),
    ],
)
def test_a_doubtful_comparison_has_a_warning(where: str, said: str) -> None:
    """The rows at a boundary would be ingested twice or never, and a count does not show it."""
    found = warnings_for(where)

    assert [said] == [said for one in found if said in one][:1]
    assert all(one.startswith(("sql compares ", "sql lets rows pass ")) for one in found)
    assert all("Compare like this: updated_at >= '{{ window_start }}'" in one for one in found)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (f"at >= '{END}' AND at < '{START}'", "swaps the bounds: it selects rows whose at is"),
        (f"id > 5 AND (at < '{START}' AND '{END}' <= at)", "swaps the bounds: it selects rows whose at is"),
        (f"1 = 1 -- from {START} to {END}", "has window_start only in a comment"),
        (f"at >= '{START}' /* up to {END} */", "has window_end only in a comment"),
        (f"at >= '{START}'", "ignores window_end"),
    ],
)
def test_a_query_that_certainly_reads_the_wrong_rows_is_refused(where: str, said: str) -> None:
    """Each slice would ingest nothing, or everything."""
    with pytest.raises(ConfigError, match=said):
        warnings_for(where)


# How the bound that should be the other one is compared, and whether it certainly restricts the rows.
AFTER_THE_END = [
    ("at >= '{}'", True),
    ("'{}' < at", True),
    ("(at > TIMESTAMP '{}')", True),
    ("at >= DATEADD(day, -40, '{}')", False),
    ("(at >= '{}' OR id = 1)", False),
    ("at < '{}'", False),
    ("other_at >= '{}'", False),
]
BEFORE_THE_START = [
    ("at < '{}'", True),
    ("'{}' >= at", True),
    ("(at <= TIMESTAMP '{}')", True),
    ("at < DATEADD(day, 40, '{}')", False),
    ("(at < '{}' OR id = 1)", False),
    ("at >= '{}'", False),
    ("other_at < '{}'", False),
]


@pytest.mark.parametrize(("end", "is_end_sure"), AFTER_THE_END)
@pytest.mark.parametrize(("start", "is_start_sure"), BEFORE_THE_START)
def test_bounds_are_swapped_only_if_no_row_can_pass(
    end: str, is_end_sure: bool, start: str, is_start_sure: bool
) -> None:
    """A template may read rows that arrived late, or compare two columns with the bounds."""
    where = f"{end.format(END)} AND {start.format(START)}"
    if (is_end_sure and is_start_sure) or ("other_at" in end and "other_at" in start):
        with pytest.raises(ConfigError, match=r"swaps the bounds: it selects rows whose (other_)?at is"):
            warnings_for(where)
    else:
        assert not any("swaps" in one for one in warnings_for(where))


@settings(max_examples=150, database=None)
@given(
    low=st.sampled_from([">=", ">"]),
    high=st.sampled_from(["<", "<="]),
    flipped=st.booleans(),
    form=st.sampled_from(["'{}'", "TIMESTAMP '{}'", "'{}'::TIMESTAMP", "CAST('{}' AS TIMESTAMP)", "(('{}'))"]),
    column=st.sampled_from(["at", "o.updated_at", '"Updated At"', "CAST(at AS TIMESTAMP)"]),
    before=st.sampled_from(["", "id > 0 AND ", "note = 'a; -- b' AND ", "/* x */ (id IN (1, 2)) AND "]),
)
def test_each_comparison_is_judged_by_its_operator(
    low: str, high: str, flipped: bool, form: str, column: str, before: str
) -> None:
    """However the condition is written."""
    flip = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}

    def compare(operator: str, bound: str) -> str:
        text = form.format(bound)
        return f"{text} {flip[operator]} {column}" if flipped else f"{column} {operator} {text}"

    found = warnings_for(f"{before}{compare(low, START)} AND {compare(high, END)}", sql="SELECT 1 FROM s.o WHERE ")

    assert (low == ">") == any("window_start: a row at exactly that instant is in no slice" in one for one in found)
    assert (high == "<=") == any("window_end: a row at exactly that instant is in two slices" in one for one in found)


CHOICES = ["{} OR {}", "(({}) OR {})", "id > 0 AND ({} OR {})", "{} UNION ALL SELECT id FROM b WHERE {}"]


@settings(max_examples=60, database=None)
@given(
    choice=st.sampled_from(CHOICES),
    other=st.sampled_from(["at IS NULL", "id = 1", "NOT id = 1", "at >= '2020-01-01'"]),
    swap=st.booleans(),
    is_restricted=st.booleans(),
)
def test_each_side_of_a_choice_has_to_be_restricted(choice: str, other: str, swap: bool, is_restricted: bool) -> None:
    """Rows that pass by one side alone would be ingested with every slice."""
    both = f"at >= '{START}' AND at < '{END}'"
    other = f"{other} AND {both}" if is_restricted else other

    found = warnings_for(choice.format(*((other, both) if swap else (both, other))))

    assert is_restricted is not any("lets rows pass" in one for one in found)


@pytest.mark.parametrize("where", [f"at >= '{START}' AND at < '{{{{ counter() }}}}'", "note = '{{ counter() }}'"])
def test_a_template_that_renders_to_another_text_each_time_is_refused(where: str) -> None:
    """With now() as the end, each slice would have all rows since its start."""
    calls = iter(range(100))
    template = Environment(autoescape=False).from_string(where)  # noqa: S701 - SQL is not HTML

    def render(window_start: datetime, window_end: datetime) -> str:
        return template.render(window_start=window_start, window_end=window_end, counter=lambda: next(calls))

    with pytest.raises(ConfigError, match="another text each time"):
        require_both_bounds("sql", render, DAY, DAY.end - DAY.start)


def test_without_a_parser_there_are_no_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser is an optional extra."""
    monkeypatch.setitem(__import__("sys").modules, "sqlglot", None)

    assert not sql_parser.is_installed()
    assert [] == warnings_for(f"at BETWEEN '{START}' AND '{END}'")
    with pytest.raises(ConfigError, match="ignores window_end"):
        warnings_for(f"at >= '{START}'")


@pytest.mark.parametrize("whole", [Slice("0001-01-01", "9999-12-31"), Slice("0001-01-01", "2026-01-01")])
def test_extreme_bounds_are_checked_like_others(whole: Slice) -> None:
    """No instant may exist before or after them with which to render the template."""
    assert [] == warnings_for(f"at >= '{START}' AND at < '{END}'", whole)


# Templates that round the bounds


def moved(start: str, end: str, granularity: Granularity, *bounds: datetime, zone: tzinfo = UTC) -> None:
    """Check a template that writes bounds in two formats."""
    whole = Slice(*bounds) if bounds else YEAR
    require_both_bounds("count_sql", lambda a, b: f"{a.strftime(start)} {b.strftime(end)}", whole, granularity, zone)


@pytest.mark.parametrize(
    ("form", "granularity"),
    [("%c", "hour"), ("%c", timedelta(seconds=1)), ("%F", "day"), ("%F", "week"), ("%Y-%m", "month")],
)
def test_a_template_may_be_as_coarse_as_the_slices(form: str, granularity: Granularity) -> None:
    """Bounds of days need no hours."""
    moved(form, form, granularity)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
@pytest.mark.parametrize("granularity", ["day", "week", "month", timedelta(hours=48)])
def test_bounds_move_to_the_next_boundaries_of_their_zone(granularity: Granularity, zone: str) -> None:
    """The boundaries of another zone would be written on the same day, and the template would be refused."""
    here = slice_at(datetime(2025, 6, 15, 12, tzinfo=UTC), granularity, ZoneInfo(zone))
    rendered: set[tuple[datetime, datetime]] = set()

    def render(start: datetime, end: datetime) -> str:
        rendered.add((start, end))
        return f"{start} {end}"

    require_both_bounds("count_sql", render, here, granularity, ZoneInfo(zone))

    before = slice_at(here.start - timedelta.resolution, granularity, ZoneInfo(zone))
    after = slice_at(here.end, granularity, ZoneInfo(zone))
    assert {
        *((start, here.end) for start in (before.start, here.start, here.end)),
        *((here.start, end) for end in (here.start, here.end, after.end)),
    } == {bounds for bounds in rendered if not any(bound.microsecond for bound in bounds)}

    if isinstance(granularity, timedelta):
        return

    def dates(start: datetime, end: datetime) -> str:
        return f"{start.astimezone(ZoneInfo(zone)):%F} {end.astimezone(ZoneInfo(zone)):%F}"

    require_both_bounds("count_sql", dates, here, granularity, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "end", "granularity", "named"),
    [
        ("", "%c", "hour", "window_start"),
        ("%c", "", "hour", "window_end"),
        ("%F", "%c", "hour", "window_start"),
        ("%c", "%F", "hour", "window_end"),
        ("%Y-%m", "%c", "day", "window_start"),
        ("%c", "%F %H:%M", timedelta(seconds=30), "window_end"),
    ],
)
def test_a_template_that_is_the_same_for_two_slices_is_refused(
    start: str, end: str, granularity: Granularity, named: str
) -> None:
    """It would count too few rows in each slice, or the same rows again and again."""
    with pytest.raises(ConfigError, match=f"count_sql ignores {named}, or rounds it to more"):
        moved(start, end, granularity)


def test_a_bound_between_two_boundaries_must_be_written_exactly() -> None:
    """The range ends at noon, and the template would end it at midnight."""
    noon = YEAR.start + timedelta(hours=12)

    with pytest.raises(ConfigError, match="window_end"):
        moved("%c", "%F", "day", YEAR.start, YEAR.start + timedelta(days=30, hours=12))
    with pytest.raises(ConfigError, match="window_start"):
        moved("%F", "%c", "day", noon, YEAR.end)


# Templates that round the bounds


BERLIN = ZoneInfo("Europe/Berlin")


def test_the_date_of_a_slice_that_begins_at_another_hour_is_refused() -> None:
    """A day in Berlin begins at 23:00 UTC: its dates in UTC are those of the day before."""
    day = (datetime(2026, 1, 8, tzinfo=BERLIN), datetime(2026, 1, 9, tzinfo=BERLIN))

    with pytest.raises(ConfigError, match="count_sql rounds window_start: 2026-01-07T23:00"):
        moved("%F", "%F", timedelta(days=1), *day)
    with pytest.raises(ConfigError, match="count_sql rounds window_end: 2026-01-08T23:00"):
        moved("%c", "%F", timedelta(days=1), *day)
    moved("%F %H:%M", "%F %H:%M", timedelta(days=1), *day)


def test_the_date_of_a_planned_boundary_in_another_zone_is_refused() -> None:
    """The range begins at midnight in UTC, but it is cut at midnight in Kathmandu."""
    zone = ZoneInfo("Asia/Kathmandu")

    with pytest.raises(ConfigError, match=r"rounds window_start: .*:15:00"):
        require_both_bounds("count_sql", lambda a, b: f"{a:%F %H} {b:%c}", YEAR, "day", zone)


@settings(max_examples=200, database=None)
@given(
    zone=st.sampled_from([UTC, BERLIN, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/New_York")]),
    written_in=st.sampled_from([UTC, BERLIN, ZoneInfo("Asia/Kathmandu")]),
    form=st.sampled_from([f"%Y-%m-%d{time}" for time in ("", " %H", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f")]),
    # Half seconds: the last millisecond before another text cannot be told from an instant that is written exactly.
    start=st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1)).map(
        lambda at: at.replace(microsecond=at.microsecond // 500_000 * 500_000)
    ),
    floor=st.sampled_from([None, "second", "minute", "hour"]),
)
def test_a_bound_passes_only_if_its_text_is_that_instant(
    zone: tzinfo, written_in: tzinfo, form: str, start: datetime, floor: str | None
) -> None:
    """Whatever the template leaves out must be zero."""
    zeros = {None: {}, "second": {"microsecond": 0}, "minute": {"microsecond": 0, "second": 0}}
    start = start.replace(**zeros.get(floor, {"microsecond": 0, "second": 0, "minute": 0, "hour": 0}))
    at = start.replace(tzinfo=zone).astimezone(UTC)
    assume(at != datetime(1970, 1, 1, tzinfo=UTC))
    text = at.astimezone(written_in).strftime(form)
    is_exact = datetime.strptime(text, form) == at.astimezone(written_in).replace(tzinfo=None)

    def render(start: datetime, end: datetime) -> str:
        return f"{start.astimezone(written_in).strftime(form)} {end.isoformat()}"

    refused = nullcontext() if is_exact else pytest.raises(ConfigError, match="rounds window_start")
    with refused:
        require_both_bounds("sql", render, Slice(at, at + timedelta(days=40)), timedelta(days=40))


@pytest.mark.parametrize("year", [1969, 1970, 2026, 9998])
def test_numbers_since_1970_are_exact(year: int) -> None:
    """Jinja's int rounds towards zero, and floating-point numbers of late years have few digits after the point."""
    at = "at >= {{ window_start.timestamp() | int }} AND at < {{ window_end.timestamp() }}"

    assert [] == warnings_for(at, Slice(f"{year}-01-01", f"{year}-01-02"))


@given(granularity=st.timedeltas(timedelta(days=1)) | st.just(timedelta.max))
def test_a_granularity_may_be_longer_than_time(granularity: timedelta) -> None:
    """timedelta.max, for "one slice", cannot be negated."""

    def render(start: datetime, end: datetime) -> str:
        return f"at >= '{start}' AND at < '{end}'"

    assert [] == require_both_bounds("sql", render, YEAR, granularity)
