"""
What is measured, one module for each provider, and what a measurement must know of it.

The modules themselves import nothing but the standard library: they are read outside the provider's environment, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

# In the order of the report; ours first.
NAMES = ("mparticle", "fivetran", "airbyte", "dbt_cloud", "census", "http_sensor")
OURS = NAMES[0]


@dataclass(frozen=True)
class Peer:
    """
    A provider, and how to make it wait for runs of the fake API.

    :param title: Its name in the report.
    :param requirement: What to install.
    :param modules: What a DAG file imports of it: operators and sensors.
    :param trigger: Class path of the trigger that waits for a run.
    :param connection: Makes the fields of its Airflow connection from the fake API's URL.
    :param arguments: Makes the trigger's arguments from the number of a run and the poll interval in seconds.
    :param succeeded: Tells from an event's payload whether the run ended well.
    :param lead: Leads it to the fake API's URL where its connection cannot. Called after its import. Default: nothing.
    :param note: What a reader of the report must know, to be read after the title. Default: nothing.
    :param most_waiting: How many triggers of it one process can hold without trouble. Default: 1,500.
    """

    title: str
    requirement: str
    modules: tuple[str, ...]
    trigger: str
    connection: Callable[[str], Mapping[str, Any]]
    arguments: Callable[[int, float], Mapping[str, Any]]
    succeeded: Callable[[Any], bool]
    lead: Callable[[str], None] = lambda url: None
    note: str = ""
    most_waiting: int = 1500


def load(name: str) -> Peer:
    """Return the peer that a module of this package describes."""
    peer: Peer = import_module(f"{__name__}.{name}").PEER
    return peer
