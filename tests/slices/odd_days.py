"""Days on which clocks change in unusual ways, and how the tests of slices read times and refusals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_mparticle.client.errors import ConfigError

BERLIN, HAVANA, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Havana"), ZoneInfo("Pacific/Apia")
TICK, HOUR, DAY = timedelta.resolution, timedelta(hours=1), timedelta(days=1)
LENGTHS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 31 * DAY}

# Days on which clocks change in unusual ways: their zone, and how many hours they last.
ODD_DAYS = [
    ("Europe/Berlin", date(2026, 3, 29), 23),
    ("Europe/Berlin", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/Havana", date(2026, 3, 8), 23),  # midnight is skipped
    ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
    ("Asia/Beirut", date(2026, 3, 29), 23),  # midnight is skipped
    ("Africa/Cairo", date(2026, 4, 24), 23),  # midnight is skipped
    ("America/Sao_Paulo", date(2018, 11, 4), 23),  # midnight is skipped
    ("America/Sao_Paulo", date(2018, 2, 17), 25),  # the hour before midnight comes twice
    ("America/St_Johns", date(2009, 11, 1), 25),  # at 00:01 on the 1st, clocks go back a day
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ("Pacific/Apia", date(2011, 12, 29), 24),  # the 30th is skipped
    ("Pacific/Kwajalein", date(1993, 8, 20), 24),  # the 21st is skipped
    ("Pacific/Kiritimati", date(1994, 12, 30), 24),  # the 31st is skipped
]
ZONES = sorted({"UTC", "Asia/Kolkata", "Asia/Kathmandu", *(zone for zone, _, _ in ODD_DAYS)})


def noon(day, zone):
    """Noon of a day, in a zone."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))


def local(at, zone):
    """The time on clocks, as text."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def refusal(function, *args, **kwargs):
    """The message with which *function* refuses its arguments."""
    with pytest.raises(ConfigError) as raised:
        function(*args, **kwargs)
    assert str(raised.value).endswith(". Nothing was sent to mParticle.")
    return str(raised.value)
