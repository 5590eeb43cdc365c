"""Stores in an Airflow variable in which forms mParticle keeps the values that it receives (docs/adr/0012)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_mparticle.configuration.kept_forms import KNOWN, KeptForms

log = logging.getLogger(__name__)

VARIABLE = "mparticle_kept_forms"
_DESCRIPTION = "Digests of the forms in which mParticle keeps values. Without it, each value is written once more."


@contextmanager
def remembered_forms() -> Iterator[KeptForms]:
    """
    Provide the facts in the variable, and store the facts that are learned in the meantime.

    The variable is read at the first difference, and written if a fact is new. Without the variable, a value is written
    to mParticle once more. So an error here is only logged.
    """
    KNOWN.load_from(_load)
    try:
        yield KNOWN
    finally:
        if KNOWN.has_learned:
            KNOWN.has_learned = False
            _store(KNOWN.facts)


def _load() -> list[str]:
    try:
        return [str(fact) for fact in json.loads(_variable().get(VARIABLE, "[]"))]
    except Exception as error:  # noqa: BLE001, RUF100 - broad: a secrets backend may raise anything
        log.info("The Airflow variable %r could not be read: %s", VARIABLE, error)
        return []


def _store(facts: list[str]) -> None:
    try:
        _variable().set(VARIABLE, json.dumps(facts), _DESCRIPTION)
    except Exception as error:  # noqa: BLE001, RUF100 - as above
        log.info("The Airflow variable %r could not be written: %s", VARIABLE, error)


def _variable() -> Any:
    """Return the class that uses Airflow's API in a task and the metadata database on the command line."""
    from airflow.models import Variable

    return Variable
