"""Lists what each supported Airflow version offers to a task that starts a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """
    What an Airflow version offers.

    :param has_state_store: Whether tasks have a task state store (3.3 and later), or only variables.
    :param tells_states: Whether a worker asks the API for states of task instances (3.x), or the database (2.11).
    :param calls_back_first: Whether callbacks run before a success is committed (2.11), or after Airflow knows of it.
    """

    name: str
    has_state_store: bool = True
    tells_states: bool = True
    calls_back_first: bool = False

    def __str__(self) -> str:
        return self.name


VERSIONS = (
    Version("Airflow 3.3"),
    Version("Airflow 3.1", has_state_store=False),
    Version("Airflow 2.11", has_state_store=False, tells_states=False, calls_back_first=True),
)
