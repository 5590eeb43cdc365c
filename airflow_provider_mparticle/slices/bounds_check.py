"""
Checks that a SQL template uses both bounds of a slice, so that each row is in exactly one slice.

The template is rendered several times with moved bounds, so that the check need not know how the template writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration import sql_parser
from airflow_provider_mparticle.slices.arguments import Granularity, checked_granularity
from airflow_provider_mparticle.slices.calendar_units import EPOCH, slice_at
from airflow_provider_mparticle.slices.run_slice import CONF_KEYS
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST, Slice, later, read_instant

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

Render = Callable[[datetime, datetime], str]

# mParticle shows instants to the millisecond.
TICK = timedelta(milliseconds=1)

_LIKE = (
    "Compare like this: updated_at >= '{{ window_start }}' AND updated_at < '{{ window_end }}'. "
    "Nothing was sent to mParticle."
)


def require_both_bounds(
    argument: str, render: Render, whole: Slice, granularity: Granularity, zone: tzinfo = UTC
) -> list[str]:
    """
    Refuse a template that renders the same SQL for neighbouring slices, and return warnings about doubtful templates.

    :param argument: The user's name for the template.
    :param render: Renders the template with ``window_start`` and ``window_end``.
    :param whole: A slice to render it for.
    :param granularity: The size of slices.
    :param zone: Time zone of days, weeks and months. Default: UTC.
    :return: Warnings; none if the extra ``sql`` is not installed or the parser cannot read the SQL.
    :raises ConfigError: The template renders to another text each time, ignores or rounds a bound, has it only in
        comments, or swaps the bounds.
    """
    text = render(whole.start, whole.end)
    if text != render(whole.start, whole.end):
        raise ConfigError(
            f"{argument} renders to another text each time, like a template with now() or uuid4(), so slices would "
            f"overlap. {_LIKE}"
        )
    with_bound: dict[str, Callable[[datetime], str]] = {
        CONF_KEYS[0]: lambda start: render(start, whole.end),
        CONF_KEYS[1]: lambda end: render(whole.start, end),
    }
    bounds = dict(zip(CONF_KEYS, (whole.start, whole.end), strict=True))
    next_to = {name: _next_to(bound, granularity, zone) for name, bound in bounds.items()}
    moved = {name: [*map(with_bound[name], others)] for name, others in next_to.items()}
    for name, others in moved.items():
        if text in others:
            raise ConfigError(
                f"{argument} ignores {name}, or rounds it to more than granularity={granularity!r}: it has the same "
                f"text for {bounds[name].isoformat()} and the next {name}. Use '{{{{ {name} }}}}'. "
                "Nothing was sent to mParticle."
            )
        # The slices of a duration are not cut at its multiples, but at the boundaries of the DAG runs.
        boundaries = [bounds[name], *(() if isinstance(granularity, timedelta) else next_to[name])]
        if (at := next((one for one in boundaries if _is_rounded(one, with_bound[name])), None)) is not None:
            raise ConfigError(
                f"{argument} rounds {name}: {at.isoformat()} has the same text as the milliseconds before and after "
                "it, so the query would read the rows of another time. Slices are in UTC: use "
                f"'{{{{ {name} }}}}', or convert it to the time zone of the column before you take its date. "
                "Nothing was sent to mParticle."
            )
    if not sql_parser.is_installed():
        return []
    uses = {name: _uses(text, others[0], bounds[name]) for name, others in moved.items()}
    for name, found in uses.items():
        if found == [] and _is_in_comments_only(text, moved[name][0]):
            raise ConfigError(f"{argument} has {name} only in a comment, so it does not restrict the rows. {_LIKE}")
    return _warnings(argument, uses[CONF_KEYS[0]], uses[CONF_KEYS[1]])


def _next_to(at: datetime, granularity: Granularity, zone: tzinfo) -> list[datetime]:
    """Return the boundaries of slices before and after an instant."""
    unit = checked_granularity(granularity)
    if isinstance(unit, timedelta):
        found = {later(at, -unit), later(at, unit)}
    else:
        here = slice_at(at, unit, zone)
        found = {slice_at(later(here.start, -timedelta.resolution), unit, zone).start, here.start, here.end}
    return sorted(found - {at})


def _is_rounded(at: datetime, rendered: Callable[[datetime], str]) -> bool:
    """Return whether a template writes an instant as another one, so that the instants around it have the same text."""
    around = {later(at, -TICK), later(at, TICK)}
    # Jinja's int rounds to zero, so at the epoch the instants around it are 0 too. Nothing is before or after the ends.
    if at == EPOCH or around & {EARLIEST, LATEST}:
        return False
    return {rendered(one) for one in around} == {rendered(at)}


# How the SQL compares a bound


@dataclass(frozen=True)
class _Use:
    """
    One place in the SQL that has a bound.

    :param operator: How a column is compared with it, for example ``">="`` or ``"BETWEEN"``; None if not at all.
    :param column: What is compared with it, as SQL.
    :param is_exact: Whether it is the bound itself and not a value calculated from it.
    :param is_certain: Whether every row must pass the comparison: it is not within OR or NOT.
    :param literal: The literal at this place.
    """

    operator: str | None
    column: str
    is_exact: bool
    is_certain: bool
    literal: Expr


def _uses(text: str, moved: str, bound: datetime) -> list[_Use] | None:
    """Return where the SQL has a bound: where it changes if the bound moves. None if the parser cannot read the SQL."""
    from sqlglot import exp

    trees = [sql_parser.statements_of(sql, None) for sql in (text, moved)]
    if trees[0] is None or trees[1] is None or len(trees[0]) != len(trees[1]):
        return None
    nodes = [[node for statement in tree or () for node in statement.walk()] for tree in trees]
    if [type(node) for node in nodes[0]] != [type(node) for node in nodes[1]]:
        return None
    changed = (
        one for one, other in zip(*nodes, strict=True) if isinstance(one, exp.Literal) and one.this != other.this
    )
    return [_use(literal, bound) for literal in changed]


def _is_in_comments_only(text: str, moved: str) -> bool:
    """Return whether two SQL texts differ only in comments."""
    one, other = (sql_parser.tokens_of(sql, None) for sql in (text, moved))
    return one is not None and other is not None and [token.text for token in one] == [token.text for token in other]


_OPERATORS = {"GTE": ">=", "GT": ">", "LTE": "<=", "LT": "<"}
_FLIPPED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


def _use(literal: Expr, bound: datetime) -> _Use:
    from sqlglot import exp

    node, is_exact = literal, _is(literal, bound)
    while (parent := node.parent) is not None and not isinstance(parent, exp.Query):
        if isinstance(parent, exp.Between):
            side = "BETWEEN" if node is not parent.this else None
            return _Use(side, parent.this.sql(), is_exact, _is_certain(parent), literal)
        if (operator := _OPERATORS.get(type(parent).__name__)) and isinstance(parent, exp.Binary):
            is_left = node is parent.left
            other = parent.right if is_left else parent.left
            return _Use(
                _FLIPPED[operator] if is_left else operator, other.sql(), is_exact, _is_certain(parent), literal
            )
        is_exact = is_exact and _keeps_instant(parent)
        node = parent
    return _Use(None, "", is_exact, False, literal)


def _keeps_instant(node: Expr) -> bool:
    """Return whether a node has the same instant as its argument: a cast, or a function of one argument."""
    from sqlglot import exp

    arguments = [one for one in node.iter_expressions() if not isinstance(one, exp.DataType)]
    return isinstance(node, exp.Cast | exp.Paren | exp.Func) and len(arguments) == 1


def _is(literal: Expr, bound: datetime) -> bool:
    """Return whether a literal is the bound itself."""
    if not literal.is_string:
        return float(literal.this) in (bound.timestamp(), bound.timestamp() * 1000)
    try:
        return read_instant(literal.this, "") == bound
    except ConfigError:
        return False


def _is_certain(comparison: Expr) -> bool:
    from sqlglot import exp

    node = comparison
    while (parent := node.parent) is not None and isinstance(parent, exp.And | exp.Paren):
        node = parent
    return isinstance(parent, exp.Where)


def _lets_others_pass(literals: list[Expr]) -> bool:
    """Return whether a bound is only on one side of an OR or a UNION, so that the other side lets any row pass."""
    from sqlglot import exp

    def places(node: Expr) -> list[Expr]:
        return [node] if (parent := node.parent) is None else [node, *places(parent)]

    within = {id(place) for literal in literals for place in places(literal)}
    choices = (place for literal in literals for place in places(literal) if isinstance(place, exp.Or | exp.Union))
    choices = (one for one in choices if one.find_ancestor(exp.Not) is None)
    return any(id(one.this) not in within or id(one.expression) not in within for one in choices)


def _warnings(argument: str, starts: list[_Use] | None, ends: list[_Use] | None) -> list[str]:
    if starts is None or ends is None:
        return []
    if swapped := _swapped(starts, ends):
        raise ConfigError(
            f"{argument} swaps the bounds: it selects rows whose {swapped} is at or after window_end and before "
            f"window_start, so it selects none. {_LIKE}"
        )
    return [f"{argument} {what}. {_LIKE}" for what in _doubts(starts, ends)]


def _swapped(starts: list[_Use], ends: list[_Use]) -> str | None:
    """Return a column that is certainly compared with swapped bounds, or None."""
    upper = {use.column for use in starts if use.operator in ("<", "<=") and use.is_exact and use.is_certain}
    lower = {use.column for use in ends if use.operator in (">", ">=") and use.is_exact and use.is_certain}
    return min(upper & lower, default=None)


def _doubts(starts: list[_Use], ends: list[_Use]) -> Iterator[str]:
    for name, uses in zip(CONF_KEYS, (starts, ends), strict=True):
        if uses and not any(use.operator for use in uses):
            yield f"compares no column with {name}"
        if uses and _lets_others_pass([use.literal for use in uses]):
            yield f"lets rows pass that are not compared with {name} (OR, UNION), so they are in several slices"
    sure = [use for use in ends if use.is_exact]
    if any(use.operator == "BETWEEN" for use in sure):
        yield "compares with BETWEEN, which includes window_end: a row at exactly that instant is in two slices"
    if any(use.operator == "<=" for use in sure):
        yield "compares with <= window_end: a row at exactly that instant is in two slices"
    if any(use.operator == ">" and use.is_exact for use in starts):
        yield "compares with > window_start: a row at exactly that instant is in no slice"
