"""
Reads single fields of mParticle's answers, in every shape that they may have.

Must not know which object an answer describes: `models` does. Answers come from `storable.read_json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

from airflow_provider_mparticle.client.paths import segment_flaw
from airflow_provider_mparticle.client.storable import INTEGERS_BELOW, Json, readable_text
from airflow_provider_mparticle.client.timestamps import parse_timestamp

# The fields of an object in which a list may come: v1 of Warehouse Sync, the Platform API, similar resources.
LIST_FIELDS = ("items", "data", "results")
# A run or an error may have any number of messages of any length; the first ones say what happened.
MAX_MESSAGES = 20
LONGEST_MESSAGE = 2000
# A state, a type or an id is cut to this length, or refused if it is longer.
LONGEST_WORD = 200
# Servers write the first or the last instant that their type of time can hold, or a zero, for an instant that is not
# known: 0001-01-01 (.NET, Go), 1753-01-01 and 1900-01-01 (SQL Server), 1970-01-01 (Unix), 9999-12-31.
FIRST_INSTANT = datetime(1970, 1, 2, tzinfo=UTC)
FIRST_YEAR_WITHOUT = 9999


class UnexpectedAnswerError(ValueError):
    """An answer is not what was asked for. The message completes: mParticle answered with a body that ..."""


def first_value(answer: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the value of the first of the *names* that has one, or None."""
    for name in names:
        if (value := answer.get(name)) is not None:
            return value
    return None


def object_in(answer: Json) -> Mapping[str, Any]:
    """
    Return an answer that must be an object.

    :raises UnexpectedAnswerError: The answer is not an object.
    """
    if not isinstance(answer, Mapping):
        raise UnexpectedAnswerError("is not a JSON object")
    return answer


def items_in(answer: Json) -> list[Json]:
    """
    Return the items of a list, which may be the answer itself or in one of the `LIST_FIELDS` of an object.

    :raises UnexpectedAnswerError: The answer has no list. An empty object is not an empty list.
    """
    if isinstance(answer, Mapping):
        lists = [answer[name] for name in LIST_FIELDS if isinstance(answer.get(name), list)]
        answer = lists[0] if len(lists) == 1 else None
    if not isinstance(answer, list):
        raise UnexpectedAnswerError("is not a list")
    return answer


def check_pipeline(named: object, pipeline_id: str) -> None:
    """
    Refuse an answer about another pipeline.

    :param named: The pipeline in the answer, or None. A number, also as text, may identify the same pipeline.
    :param pipeline_id: The pipeline that was asked for.
    :raises UnexpectedAnswerError: It is another pipeline.
    """
    if not isinstance(named, str) or same_id(named, pipeline_id):
        return
    may_be_number_of_it = named.strip().isdecimal() and not pipeline_id.strip().isdecimal()
    if named.strip() and not may_be_number_of_it:
        raise UnexpectedAnswerError(f"is about pipeline {named[:LONGEST_WORD]!r} instead")


def same_id(one: str, other: str) -> bool:
    """Return whether two ids are the same: mParticle may store an id in another case."""
    return one.strip().casefold() == other.strip().casefold()


def parse_run_id(value: object) -> int | str | None:
    """Return the id of a run: a whole number, or text that can be one segment of a path. None for anything else."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:  # JSON may write 7 as 7.0
        return int(value)
    if isinstance(value, str):
        value = value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return value if isinstance(value, str) and len(value) <= LONGEST_WORD and not segment_flaw(value) else None


def parse_instant(value: object) -> datetime | None:
    """Return an instant in UTC, or None for a value that cannot be read, or that stands for an unknown instant."""
    at = parse_timestamp(value)
    return at if at and at >= FIRST_INSTANT and at.year < FIRST_YEAR_WITHOUT else None


def parse_count(value: object) -> int | None:
    """Return a number of records, from a number or a text, or None for anything else."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:  # as in `parse_run_id`
        value = int(value)
    text = str(value).strip() if isinstance(value, int | str) else ""
    is_count = text.isascii() and text.isdecimal() and int(text[:20]) < INTEGERS_BELOW and len(text) < 20
    return int(text) if is_count else None


def error_messages(errors: object) -> tuple[str, ...]:
    """
    Return mParticle's own words from an ``errors`` field of any shape.

    Known shapes: ``[{"message"}]``, ``[{"code", "message"}]``, ``["text"]``, ``"text"``, null.
    """
    listed = [errors] if isinstance(errors, Mapping | str) else errors
    if not isinstance(listed, list | tuple):
        return ()
    return tuple(text for error in listed[:MAX_MESSAGES] if (text := _message(error)))


def readable_messages(errors: object) -> tuple[str, ...]:
    """Return what `error_messages` returns, without characters that could hide other text in a terminal or a log."""
    return tuple(map(readable_text, error_messages(errors)))


def _message(error: object) -> str:
    if isinstance(error, Mapping):
        error = first_value(error, ("message", "error_description", "error", "code"))
    return str(error or "")[:LONGEST_MESSAGE]


def is_id(value: object) -> TypeGuard[int | str]:
    """Return whether a value can be an id: a number, or text that is not blank."""
    return isinstance(value, int | str) and not isinstance(value, bool) and bool(str(value).strip())


def word(value: object) -> str | None:
    """Return a word as text, or None for what is not one."""
    return str(value)[:LONGEST_WORD] if isinstance(value, str | int | float) else None
