"""The errors: their tree, and their facts when they are sent between processes."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
# The facts of each branch.
FACTS_OF: dict[type[MParticleError], set[str]] = {
    MParticleError: {"pipeline_id"},
    errors.CallError: {"status", "reasons", "pipeline_id", "pipeline_run_id", "retry_after_s", "may_have_executed"},
    errors.DataModelError: {"pipeline_id", "pipeline_run_id"},
    errors.RunError: {
        *("status", "reasons", "pipeline_id", "pipeline_run_id", "state", "successful_records", "failed_records"),
    },
}


def _below(kind: type[MParticleError]) -> Iterator[type[MParticleError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


KINDS: list[type[MParticleError]] = [MParticleError, *_below(MParticleError)]
LEAVES = [kind for kind in KINDS if not kind.__subclasses__()]


def test_the_tree_at_the_top_of_the_module_is_the_tree() -> None:
    """Readers use this drawing to choose which class to catch."""
    drawn: list[tuple[str, str]] = []
    path: dict[int, str] = {}
    for indent, name in re.findall(r"^    ([│ ├└─]*)(\w+Error)", errors.__doc__ or "", re.MULTILINE):
        path[len(indent)] = name
        if indent:
            drawn.append((path[len(indent) - 4], name))

    assert {(str(kind.__base__ and kind.__base__.__name__), kind.__name__) for kind in KINDS[1:]} == set(drawn)


def facts_of(kind: type[MParticleError]) -> dict[str, Any]:
    """Return a value for each fact of this class."""
    branch = next(base for base in kind.__mro__ if base in FACTS_OF)
    return {name: FACTS[name] for name in FACTS_OF[branch]}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_with_its_facts(kind: type[MParticleError]) -> None:
    """Executors and triggerers send errors between processes."""
    facts = facts_of(kind)

    error = pickle.loads(pickle.dumps(kind("The run failed.", **facts)))  # noqa: S301 - our own bytes

    assert (kind, "The run failed.", facts) == (type(error), str(error), error.facts())


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_carries_only_the_facts_of_its_cause(kind: type[MParticleError]) -> None:
    """An error about an argument has no record counts, and an unknown fact is a mistake of the caller."""
    error = kind("It failed.")

    assert set(facts_of(kind)) == set(error.facts())
    with pytest.raises(TypeError):
        kind("It failed.", colour=1)  # type: ignore[call-arg]  # that is the test


@pytest.mark.parametrize("kind", KINDS)
def test_any_handler_may_ask_what_to_do_next(kind: type[MParticleError]) -> None:
    """Waits and retries handle every error, so these facts have a value for all of them."""
    error = kind("It failed.")

    assert (None, (), None) == (error.status, error.reasons, error.retry_after_s)
    assert (kind is errors.StartAmbiguousError) is error.may_have_executed


@pytest.mark.parametrize("kind", KINDS)
def test_facts_that_an_earlier_version_stored_are_read(kind: type[MParticleError]) -> None:
    """In earlier versions every error had all facts, and deferred tasks outlive an upgrade."""
    stored = {**FACTS, "may_have_acted": FACTS["may_have_executed"]}
    del stored["may_have_executed"]

    error = kind.from_facts("The run failed.", stored)

    assert (kind, "The run failed.", facts_of(kind)) == (type(error), str(error), error.facts())


def test_a_fact_that_no_error_has_is_refused() -> None:
    """Then the event was not written by this package."""
    with pytest.raises(TypeError, match="no error has a fact 'colour'"):
        RunFailedError.from_facts("The run failed.", {"colour": 1})


def test_an_error_with_a_note_survives_pickling() -> None:
    """Python code may add a note to any exception."""
    error = RunFailedError("The run failed.", **facts_of(RunFailedError))
    error.add_note("while backfilling July")

    assert facts_of(RunFailedError) == pickle.loads(pickle.dumps(error)).facts()  # noqa: S301 - our own bytes


def test_a_message_is_storable() -> None:
    """It quotes messages of libraries with any bytes, and is stored in events and databases."""
    assert "half \ufffd and \ufffd" == str(MParticleError("half \ud83d and \x00"))


@given(st.text() | st.text("ab\n\r\t\x1b\x08\x7f\x9b\u202e\u2066"))
def test_no_message_can_hide_or_rewrite_other_text(text: str) -> None:
    """A log or a terminal obeys control characters, also those in an answer of a server."""
    shown = str(MParticleError(text))

    assert len(text) == len(shown)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\r(?!\n)", shown)
    assert all(one in (was, "\ufffd") for was, one in zip(text, shown, strict=True))


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_can_be_found_by_its_name(kind: type[MParticleError]) -> None:
    """A trigger event has the name of the error's class as text."""
    assert kind is error_named(kind.__name__)


@pytest.mark.parametrize("name", ["", "MParticleError", "ValueError", "NoSuchError"])
def test_an_unknown_name_is_refused(name: str) -> None:
    """An event that this package did not write must not become an error."""
    with pytest.raises(KeyError):
        error_named(name)


def test_bad_input_is_a_value_error() -> None:
    """Callers that do not know mParticle can catch it."""
    assert issubclass(ConfigError, ValueError)


def test_only_errors_that_time_may_cure_are_transient() -> None:
    """Retrying anything else wastes a worker and hides the cause."""
    transient = {kind.__name__ for kind in LEAVES if kind.is_transient}

    assert {"NoAnswerError", "UnreadableAnswerError", "RateLimitedError", "ServerError"} == transient
