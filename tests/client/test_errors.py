"""The errors: their tree, and what they carry between processes."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_mparticle.client import errors
from airflow_provider_mparticle.client.errors import ConfigError, MParticleError, RunFailedError, error_named

FACTS: dict[str, Any] = {
    "status": 400,
    "reasons": ("Rows were rejected.", "Too many columns."),
    "pipeline_id": "orders",
    "pipeline_run_id": 13325,
    "state": "failed",
    "successful_records": 990,
    "failed_records": 10,
    "retry_after_s": 1.5,
    "may_have_executed": True,
}


def _below(kind: type[MParticleError]) -> Iterator[type[MParticleError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


KINDS: list[type[MParticleError]] = [MParticleError, *_below(MParticleError)]
LEAVES = [kind for kind in KINDS if not kind.__subclasses__()]


def test_the_tree_at_the_top_of_the_module_is_the_tree() -> None:
    """Readers choose what to catch by that drawing."""
    drawn: list[tuple[str, str]] = []
    path: dict[int, str] = {}
    for indent, name in re.findall(r"^    ([│ ├└─]*)(\w+Error)", errors.__doc__ or "", re.MULTILINE):
        path[len(indent)] = name
        if indent:
            drawn.append((path[len(indent) - 4], name))

    assert {(str(kind.__base__ and kind.__base__.__name__), kind.__name__) for kind in KINDS[1:]} == set(drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_with_its_facts(kind: type[MParticleError]) -> None:
    """Executors and triggerers carry errors between processes."""
    error = pickle.loads(pickle.dumps(kind("The run failed.", **FACTS)))  # noqa: S301 - our own bytes

    assert (kind, "The run failed.", FACTS) == (type(error), str(error), error.facts())


def test_an_error_with_a_note_survives_pickling() -> None:
    """Anybody may add a note to an exception on its way up."""
    error = RunFailedError("The run failed.", **FACTS)
    error.add_note("while backfilling July")

    assert FACTS == pickle.loads(pickle.dumps(error)).facts()  # noqa: S301 - our own bytes


def test_facts_that_are_not_given_are_none() -> None:
    """Whoever handles an error may read every fact of every error."""
    expected = {**dict.fromkeys(FACTS), "reasons": (), "may_have_executed": False}

    assert expected == MParticleError("It failed.").facts()


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_can_be_found_by_its_name(kind: type[MParticleError]) -> None:
    """A trigger event carries an error as text, and each that is raised may be the one."""
    assert kind is error_named(kind.__name__)


@pytest.mark.parametrize("name", ["", "MParticleError", "ValueError", "NoSuchError"])
def test_a_name_that_is_no_cause_is_refused(name: str) -> None:
    """An event that nobody here wrote must not become an error that nobody knows."""
    with pytest.raises(KeyError):
        error_named(name)


def test_bad_input_is_a_value_error() -> None:
    """Callers who know nothing of mParticle still catch it."""
    assert issubclass(ConfigError, ValueError)


def test_only_what_time_may_cure_is_passing() -> None:
    """Retrying anything else wastes a worker and hides the cause."""
    transient = {kind.__name__ for kind in LEAVES if kind.is_transient}

    assert {"NoAnswerError", "UnreadableAnswerError", "RateLimitedError", "ServerError"} == transient
