"""
Instants as mParticle writes and reads them: ISO 8601, with 0 to 3 fraction digits, some without a zone (UTC).

Inside the simulator an instant is a Unix time in seconds, cut to whole milliseconds so that what is shown is
what is compared.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from airflow_provider_mparticle.simulator.http_messages import Refusal


def cut(instant: float) -> float:
    """Drop what is finer than a millisecond."""
    return math.floor(instant * 1000) / 1000


def iso(instant: float | None, *, zone: str = "Z") -> str | None:
    """Write an instant with as many fraction digits as it needs: none for a whole second, three at most."""
    if instant is None:
        return None
    milliseconds = round(instant * 1000)
    text = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{milliseconds % 1000:03d}".rstrip("0")
    return f"{text}.{fraction}{zone}" if fraction else text + zone


def unix(value: object, name: str, *, status: int = 400) -> float | None:
    """
    Read an instant from ISO 8601 text, a datetime or a Unix time; None and "" mean no instant.

    :param value: What the caller sent. Without a zone it is UTC.
    :param name: Name of the field, for the refusal.
    :param status: HTTP status of the refusal.
    """
    if value is None or value == "":
        return None
    try:
        return cut(moment(value).timestamp())
    except (ValueError, OverflowError) as error:
        raise Refusal(status, f"{name} must be an ISO 8601 instant, not {value!r}.") from error


def moment(value: object) -> datetime:
    """The instant in UTC, as exact as it was given; ValueError or OverflowError if it is not one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
