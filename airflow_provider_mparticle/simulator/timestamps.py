"""
Formats and parses instants as mParticle does: ISO 8601 with 0 to 3 fraction digits, some without a time zone (UTC).

In the simulator an instant is a Unix time in seconds, cut to whole milliseconds, so that the shown and the compared
values are equal.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from airflow_provider_mparticle.simulator.http_messages import Refusal


def cut(instant: float) -> float:
    """Return an instant without parts of a millisecond."""
    return math.floor(instant * 1000) / 1000


def iso(instant: float | None, *, zone: str = "Z") -> str | None:
    """Return an instant as text, with as few fraction digits as possible, from none to three."""
    if instant is None:
        return None
    milliseconds = round(instant * 1000)
    text = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{milliseconds % 1000:03d}".rstrip("0")
    return f"{text}.{fraction}{zone}" if fraction else text + zone


def unix(value: object, name: str, *, status: int = 400) -> float | None:
    """
    Parse an instant from ISO 8601 text, a datetime or a Unix time. None and "" mean no instant.

    :param value: The value of the caller. Without a time zone it is UTC.
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
    """Return the exact instant in UTC. Raise ValueError or OverflowError if the value is not an instant."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
