"""Keeps what is known of the forms in which mParticle keeps values, as an Airflow variable."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_mparticle.configuration.kept_forms import KNOWN, KeptForms

log = logging.getLogger(__name__)

VARIABLE = "mparticle_kept_forms"
_DESCRIPTION = "In which form mParticle keeps what it was sent, as digests. Without it each is written once more."


@contextmanager
def remembered_forms() -> Iterator[KeptForms]:
    """
    Give the facts of the variable, and store what is learned meanwhile.

    The variable is read when a difference is met first, and written when a fact is new. Without it mParticle is
    written to once more, so an error here is logged and fails nothing.
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
    except Exception as error:  # noqa: BLE001, RUF100 - a secrets backend may raise anything
        log.info("The Airflow variable %r could not be read: %s", VARIABLE, error)
        return []


def _store(facts: list[str]) -> None:
    try:
        _variable().set(VARIABLE, json.dumps(facts), _DESCRIPTION)
    except Exception as error:  # noqa: BLE001, RUF100 - as above
        log.info("The Airflow variable %r could not be written: %s", VARIABLE, error)


def _variable() -> Any:
    """Return the class that asks Airflow's API in a task, and the database on the command line."""
    from airflow.models import Variable

    return Variable
