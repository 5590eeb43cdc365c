"""
Describes each measured provider in its own module.

At their top, these modules import the standard library only: they are also imported outside the provider's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

# In the order of the report, with ours first.
NAMES = ("mparticle", "fivetran", "airbyte", "dbt_cloud", "census", "http_sensor")
OURS = NAMES[0]


@dataclass(frozen=True)
class Peer:
    """
    A provider, and how to make it wait for runs of the fake API.

    :param title: Its name in the report.
    :param requirement: What to install.
    :param modules: The modules that a DAG file imports: operators and sensors.
    :param trigger: Class path of the trigger that waits for a run.
    :param connection: Returns the fields of its Airflow connection from the fake API's URL.
    :param arguments: Returns the trigger's arguments for the number of a run and the poll interval in seconds.
    :param succeeded: Returns whether the run succeeded, from an event's payload.
    :param lead: Directs it to the fake API's URL if its connection cannot. Called after its import. Default: nothing.
    :param note: What a reader of the report must know, as the rest of a sentence after the title. Default: nothing.
    :param most_waiting: How many of its triggers one process can run without failures. Default: 1,500.
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
