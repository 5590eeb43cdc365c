"""
Parses the arguments of a task in every form that Airflow passes: values, rendered templates, ``default_args``. Pure.

Every function returns the parsed value, or raises :class:`ConfigError` before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.storable import INTEGERS_BELOW, exact_text
from airflow_provider_mparticle.configuration.plain_values import plain, texts

# Longer than any wait for a run. A larger value is a wrong unit, and would overflow timers and dates.
LONGEST_S = 366 * 24 * 60 * 60.0

# A timedelta that a template has rendered, for example "1 day, 2:00:00".
_TIMEDELTA = re.compile(r"(?:(?P<days>\d+) days?, )?(?P<hours>\d{1,2}):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)")
# What a template renders to if the task or variable in it has no value.
_NOTHING = ("", "None", "null")
# The place of the value of a static mapping, which is data.
_STATIC_VALUE = re.compile(r"mappings\[\d+\]\.value\b")
_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0")


def read_seconds(name: str, value: object, *, may_be_zero: bool = False) -> float:
    """
    Return a duration in seconds.

    :param name: Name of the argument, for the error.
    :param value: A number of seconds, a text with that number, a timedelta, or the text of a timedelta.
    :param may_be_zero: Whether 0 is accepted. Default: False.
    :raises ConfigError: The value is not a duration, or is not between 0 and 366 days.
    """
    read_s = _number(value)
    if read_s is None or not 0 <= read_s <= LONGEST_S or (read_s == 0 and not may_be_zero):
        raise ConfigError(
            f"{name} must be a positive number of seconds, not {shown(value)}. A timedelta is accepted too, "
            "and 366 days is the longest. Nothing was sent to mParticle."
        )
    return read_s


def read_id(name: str, value: object) -> str:
    """
    Return an id as text, without white space around it.

    :param name: Name of the argument, for the error.
    :param value: A text, or a whole number.
    :raises ConfigError: The value is not an id, or it is the result of a template without a value.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise ConfigError(f"{name} must be one id as text, not {shown(value)}. Nothing was sent to mParticle.")
    if isinstance(value, int) and abs(value) >= INTEGERS_BELOW:
        raise ConfigError(f"{name} must be an id, not the number {shown(value)}. Nothing was sent to mParticle.")
    if (text := "" if value is None else exact_text(value).strip()) in _NOTHING:
        raise ConfigError(
            f"{name} was rendered to {value!r}: the template, or the task that it reads from, returned no id. "
            "Nothing was sent to mParticle."
        )
    if text.startswith(("{", "[")):
        raise ConfigError(
            f"{name} must be one id, but it is a dict or a list as text. Take one value of it, for example "
            "\"{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}\". Nothing was sent to mParticle."
        )
    return text


def read_mapping(name: str, value: object) -> dict[str, Any]:
    """
    Return an argument that is a dict.

    :raises ConfigError: The value has another type, for example the text that a template renders to.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{name} must be a dict, not a {type(value).__name__}. A template renders to text unless the DAG has "
            "render_template_as_native_obj=True. Nothing was sent to mParticle."
        )
    return dict(value)


def refuse_nothing(fields: object) -> None:
    """
    Refuse fields, at any depth, whose template has no value and renders to "None" or "null".

    mParticle would store that text, for example as a name or as the password of a warehouse. Only the *value* of a
    static mapping may be such a text.

    :param fields: The fields of a resource, or a whole document.
    :raises ConfigError: The message names the fields.
    """
    try:
        given = plain(fields)
    except ValueError:
        return  # the check of the fields refuses it
    empty = [
        f"{place} was rendered to {text.strip()!r}"
        for place, text in texts(given)
        if text.strip() in ("None", "null") and not _STATIC_VALUE.search(place)
    ]
    if empty:
        raise ConfigError(
            f"{'; '.join(empty)}: the template, or what it reads from, has no value. Nothing was sent to mParticle."
        )


def read_ids(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return *fields* without white space around the ids. An id that a template rendered to nothing becomes None."""
    return {
        name: (None if value.strip() in _NOTHING else value.strip())
        if isinstance(value, str) and (name == "id" or name.endswith("_id"))
        else value
        for name, value in fields.items()
    }


def check_query(name: str, query: str) -> None:
    """
    Refuse a query that a template rendered to nothing, or that cannot be sent.

    :raises ConfigError: The query is blank, or contains characters that UTF-8 cannot encode.
    """
    if query.strip() in _NOTHING:
        raise ConfigError(f"{name} renders to nothing. Pass a query. Nothing was sent to mParticle.")
    if any("\ud800" <= char <= "\udfff" for char in query):
        raise ConfigError(
            f"{name} contains a character that UTF-8 cannot encode: {shown(query)}. Nothing was sent to mParticle."
        )


def read_switch(name: str, value: object) -> bool:
    """
    Return a switch as a boolean.

    :param value: A boolean, or one of these texts: true, yes, on, 1; false, no, off, 0.
    :raises ConfigError: The value is something else.
    """
    if (read := as_switch(value)) is None:
        raise ConfigError(f"{name} must be True or False, not {shown(value)}. Nothing was sent to mParticle.")
    return read


def as_switch(value: object) -> bool | None:
    """Return a switch as a boolean, or None if the value is not a switch."""
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    return True if text in _YES else False if text in _NO else None


def read_choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """
    Return an argument that is one of several words.

    :raises ConfigError: The value is not one of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(
            f"{name} must be one of {', '.join(choices)}, not {shown(value)}. Nothing was sent to mParticle."
        )
    return value


def _number(value: object) -> float | None:
    """Return a duration as a number of seconds, or None if it is not a number. NaN and infinity are returned."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, str) and (parts := _TIMEDELTA.fullmatch(value.strip())):
        return timedelta(**{name: float(part or 0) for name, part in parts.groupdict().items()}).total_seconds()
    try:
        return float(value)
    except (ValueError, OverflowError):  # not a number, or one of hundreds of digits
        return None
