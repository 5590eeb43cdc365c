"""The schema has the rules: generated and mutated documents, compared with an independent validator."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.document import Document, document_problems, load_document

SAMPLE = Path(__file__).parents[1] / "samples" / "workspace.yaml"
VALIDATOR = Draft202012Validator(schema.content(), format_checker=schema.format_checker())
# Errors that a JSON Schema cannot find.
BEYOND = ("must lie before", ", which is already the id of", "is masked", "columns; mParticle accepts")

TEXT = st.sampled_from(["", "a", "orders", "a b", "null", "full", "2026-01-01", "2026-02-30", "UTC", "1d", "****"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**6) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(TEXT, inside, max_size=2),
    max_leaves=4,
)


def valid(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Generate a value that has the types and words of a part of the schema."""
    part = dict(schema.resolved(part) or {})
    if "enum" in part:
        return st.sampled_from(part["enum"])
    types = [part["type"]] if isinstance(part.get("type"), str) else part.get("type", ["string"])
    return st.one_of([_of_type(name, part) for name in types])


def _of_type(name: str, part: dict[str, Any]) -> st.SearchStrategy[Any]:
    if name == "object":
        fields = part.get("properties", {})
        needed = {one: valid(fields[one]) for one in part.get("required", ())}
        optional = {one: valid(field) for one, field in fields.items() if one not in needed}
        return st.fixed_dictionaries(needed, optional=optional)
    if name == "array":
        return st.lists(valid(part["items"]), max_size=2)
    if name == "string":
        return st.sampled_from(part.get("examples", ["a", "2", "2026-01-01T00:00:00Z"])) | TEXT
    return {"null": st.none(), "integer": st.integers(-1, 99)}[name]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in parts for place in places(part, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """The sample with one value replaced, removed, or added under a key that may be misspelled."""
    content = copy.deepcopy(load_document(SAMPLE).content)
    *path, last = draw(st.sampled_from([place for place in places(content) if place]))
    inside = content
    for step in path:
        inside = inside[step]
    action = draw(st.sampled_from(["replace", "take out", "rename"]))
    if action == "replace":
        inside[last] = draw(ANYTHING)
    elif action == "take out" or isinstance(last, int):
        del inside[last]
    else:
        inside[draw(st.sampled_from([f"{last}_", last[:-1] or "x", last.upper(), "until", "from"]))] = inside.pop(last)
    return content


def agree(content: Any) -> None:
    """Compare our check with the schema's."""
    found = [str(problem) for problem in document_problems(Document(content)) if not problem.is_warning]
    ours = [problem for problem in found if not any(text in problem for text in BEYOND)]
    theirs = [error.message for error in VALIDATOR.iter_errors(content)]

    assert bool(theirs) == bool(ours), (theirs, ours)


@given(mutated())
@settings(max_examples=150)
def test_a_mutated_document_is_wrong_for_both_or_for_neither(content: Any) -> None:
    """An editor shows the problem if and only if it is refused."""
    agree(content)


@given(valid(schema.content()))
@settings(max_examples=60)
def test_a_generated_document_is_right_for_both_or_for_neither(content: Any) -> None:
    """The document is generated from the schema itself."""
    agree(content)


def incremental(**fields: Any) -> dict[str, Any]:
    """A document with an incremental pipeline."""
    mode = {"type": "incremental", "iterator_field": "at", "iterator_data_type": "timestamp"}
    pipeline: dict[str, Any] = {
        "id": "p",
        "name": "P",
        "connection_id": "c",
        "data_model_id": "m",
        "sync_mode": mode,
        "schedule": {"type": "on_demand"},
    }
    for name, value in fields.items():
        pipeline[name] = {**pipeline[name], **value} if isinstance(pipeline.get(name), dict) else value
    return {"pipelines": [pipeline]}


WRONG = [
    ({"sync_mode": {"from_": "2026-01-01"}}, "sync_mode.from_ is not a field of a sync mode", "did you mean 'from'?"),
    ({"sync_mode": {"untill": "2026-01-01"}}, "sync_mode.untill is not a field", "did you mean 'until'?"),
    ({"sync_mode": {"end": "2026-01-01"}}, "sync_mode.end is not a field", "did you mean 'until'?"),
    ({"schedule": {"until": "2026-01-01"}}, "schedule.until is not a field of a schedule", "did you mean 'end'?"),
    ({"sync_mode": {"time_zone": "Mars/Phobos"}}, "sync_mode.time_zone must be a time zone", ""),
    ({"sync_mode": {"time_zone": "Europe/Lodnon"}}, "must be a time zone", "did you mean 'Europe/London'?"),
    ({"sync_mode": {"type": "full", "from": "2026-01-01"}}, "sync_mode.from does not go with type 'full'", ""),
    ({"sync_mode": {"type": "incremetal"}}, "sync_mode.type must be one of", "did you mean 'incremental'?"),
    ({"sync_mode": {"from": "2026-02-30"}}, "sync_mode.from must be an ISO 8601 instant", ""),
    ({"schedule": {"type": "interval", "frequency": ""}}, "schedule.frequency must be one of hourly", ""),
    ({"enviroment": "production"}, "enviroment is not a field of a pipeline", "did you mean 'environment'?"),
]


@pytest.mark.parametrize(("fields", "said", "hint"), WRONG, ids=[said for _, said, _ in WRONG])
def test_a_problem_has_a_hint_about_what_was_meant(fields: dict[str, Any], said: str, hint: str) -> None:
    """Without an error, some of these would sync the whole history."""
    errors = [str(problem) for problem in document_problems(Document(incremental(**fields))) if not problem.is_warning]

    assert any(said in error and hint in error for error in errors), errors


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "+02:00", "", None])
def test_a_time_zone_that_exists_is_taken(zone: Any) -> None:
    """By name, or as an offset."""
    assert [] == document_problems(Document(incremental(sync_mode={"time_zone": zone})))


def test_a_field_that_a_provider_does_not_document_is_warned_of() -> None:
    """mParticle may accept more fields than it documents, so it is not refused."""
    config = {"database": "D", "pasword": "x"}
    content = {"connections": [{"id": "c", "name": "C", "service_provider": "Redshift", "config": config}]}

    (problem,) = document_problems(Document(content))

    assert problem.is_warning
    assert "did you mean 'password'?" in str(problem)


@given(st.sampled_from("+-"), st.integers(0, 99), st.integers(0, 99))
def test_an_offset_is_a_time_zone_only_if_it_exists(sign: str, hours: int, minutes: int) -> None:
    """``+99:99`` was once accepted."""
    zone = f"{sign}{hours:02}:{minutes:02}"
    mode = {"type": "incremental", "iterator_field": "a", "iterator_data_type": "date", "time_zone": zone}

    exists = minutes < 60 and hours * 60 + minutes <= 18 * 60
    assert exists is ([] == schema.problems(mode, "sync_mode"))


@pytest.mark.parametrize("zone", ["Factory", "localtime", "+\u0660\u0662:\u0660\u0660", "+2:00", "+02:00 ", "Europe"])
def test_a_name_that_only_looks_like_a_time_zone_is_refused(zone: str) -> None:
    """The zone of the machine that reads the document is not a zone."""
    mode = {"type": "incremental", "iterator_field": "a", "iterator_data_type": "date", "time_zone": zone}

    assert ["sync_mode.time_zone"] == [f"sync_mode.{one.place}" for one in schema.problems(mode, "sync_mode")]
