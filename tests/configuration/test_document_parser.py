"""The syntax of documents: text stays text, the line of each place is known, and no file fills the memory."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration import plain_values
from airflow_provider_mparticle.configuration.document import document_problems, load_document, parse_document
from airflow_provider_mparticle.configuration.document_parser import line_of, read_text
from airflow_provider_mparticle.configuration.document_writer import as_yaml

# How much memory the reading of a refused document may take, in bytes.
A_LITTLE = 60 * 1024**2


def connection(line: str) -> str:
    """A document with a connection whose config has one more line."""
    return (
        "connections:\n  - id: c\n    name: C\n    service_provider: Snowflake\n    config:\n"
        f"      database: D\n      {line}\n"
    )


def pipeline(line: str) -> str:
    """A document with a pipeline that has one more line."""
    return (
        "pipelines:\n  - id: p\n    connection_id: c\n    data_model_id: m\n    sync_mode: {type: full}\n"
        f"    schedule: {{type: on_demand}}\n    {line}\n"
    )


@pytest.mark.parametrize(
    "text", ["0123456", "0123", "12:30", "on", "no", "010", "1e3", "~", "2026-01-01", "0x1F", "1_000", "true", ".inf"]
)
@pytest.mark.parametrize("name", ["password", "account_identifier", "user", "warehouse"])
def test_text_without_quotation_marks_is_not_changed(name: str, text: str) -> None:
    """YAML would change the password, and the user would not see it."""
    document = parse_document(connection(f"{name}: {text}"))

    assert text == document.content["connections"][0]["config"][name]
    assert [] == document_problems(document)


@given(st.from_regex(r"-?[1-9]\d{1,4}(\.\d{1,2})?", fullmatch=True).filter(lambda text: not text.isascii()))
def test_digits_of_other_scripts_are_text(text: str) -> None:
    """Python reads them as numbers, so that another feed than the one that is written would be meant."""
    content = parse_document(f"pipelines:\n- partner_feed_id: {text}\n  other: {text}\n").content

    assert [{"partner_feed_id": text, "other": text}] == content["pipelines"]


@pytest.mark.parametrize("text", ["no", "1e3", "12:30", "010", "~"])
def test_a_name_is_text(text: str) -> None:
    """A pipeline for Norway may be called "no"."""
    document = parse_document(pipeline(f"name: {text}"))

    assert text == document.content["pipelines"][0]["name"]
    assert [] == document_problems(document)


def test_a_version_with_a_leading_zero_is_a_decimal_number() -> None:
    """YAML 1.1 reads it as an octal number, 8."""
    document = parse_document(pipeline("name: P\n    data_plan_version: 010"))

    assert [] == document_problems(document)
    assert "010" == document.content["pipelines"][0]["data_plan_version"]


def test_a_secret_of_an_undocumented_name_is_text_too() -> None:
    """A number would lose its leading zeros, or digits."""
    document = parse_document(connection("private_key_token: 123456"))

    assert "123456" == document.content["connections"][0]["config"]["private_key_token"]


def test_null_is_not_a_secret() -> None:
    """It would be left out, and the connection would be written without a password."""
    (problem,) = document_problems(parse_document(connection("password: null")))

    assert "connections[0].config.password is missing" in str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-1", -1),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("yes", "yes"),
        ("'1'", "1"),
        ("012", "012"),
    ],
)
def test_without_a_type_in_the_schema_yaml_is_read_as_json(text: str, value: Any) -> None:
    """Only values that JSON writes without quotation marks are not text."""
    content, _ = read_text(f"field_transformations: [{{mappings: [{{value: {text}}}]}}]")

    assert value == content["field_transformations"][0]["mappings"][0]["value"]
    assert type(value) is type(content["field_transformations"][0]["mappings"][0]["value"])


@given(st.text(min_size=1))
@settings(max_examples=200)
def test_any_text_is_read_back_as_it_was_written(text: str) -> None:
    """Also U+0085, which YAML reads as the end of a line."""
    content = {"connections": [{"config": {"password": text, "other": text}}]}

    assert content == read_text(as_yaml(content))[0]


def test_the_lines_of_problems_are_named() -> None:
    """In a document of a thousand lines a place without its line is hard to find."""
    text = connection("password: x").replace("database: D", "databse: D\n      x: 1") + "pipeline: []\n"

    found = [str(problem) for problem in document_problems(parse_document(text))]

    assert any("config.databse" in one and one.endswith("(connection 'c', line 6)") for one in found), found
    assert any(one.startswith("pipeline is not") and one.endswith("(line 9)") for one in found), found


def test_lines_are_known_in_json_too() -> None:
    """Programs write it, but users read its problems."""
    text = json.dumps({"pipelines": [{"id": "a b"}]}, indent=1)

    found = [str(problem) for problem in document_problems(parse_document(text))]

    assert any("pipelines[0].id may hold letters" in one and "line 4" in one for one in found), found


@pytest.mark.parametrize(
    ("place", "line"), [("a", 1), ("a[0].b", 2), ("a[0].b.c", 2), ("a[1]", 1), ("b", None), ("", None)]
)
def test_a_place_without_a_line_has_the_line_of_the_place_around_it(place: str, line: int | None) -> None:
    """A missing field has no line."""
    assert line == line_of(place, {"a": 1, "a[0].b": 2})


@pytest.mark.parametrize(
    "line", ["password: {{ conn.x.password }}", "password: {{ conn.x }}-suffix", "user: {% if x %}"]
)
def test_templates_belong_in_quotation_marks(line: str) -> None:
    """Braces have a meaning in YAML, and its own message does not help."""
    with pytest.raises(ConfigError, match="put templates in quotes"):
        parse_document(connection(line))


# Limits


def bomb(levels: int) -> str:
    """The "billion laughs": each anchor repeats the previous one ten times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


TOO_MUCH = [
    pytest.param(bomb(10), "more than 200000 values", id="billion laughs"),
    pytest.param("a: &a [*a]", "an anchor contains itself", id="an anchor in itself"),
    pytest.param("a: &a {b: *a}", "an anchor contains itself", id="a dict in itself"),
    pytest.param("[" * 3000 + "]" * 3000, "nest", id="deep lists"),
    pytest.param("\n".join(" " * n + "a:" for n in range(500)), "nested deeper", id="deep blocks"),
    pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper", id="deep JSON"),
    # Python's YAML parser takes 5 s for them while every allocation is traced.
    pytest.param("- 1\n" * 201_000, "more than 200000 values", id="many values", marks=pytest.mark.slow),
    pytest.param("# " + "x" * 9_000_000, "larger than 8 MB", id="many bytes"),
]


@pytest.mark.parametrize(("text", "said"), TOO_MUCH)
def test_a_document_beyond_the_limits_is_refused_with_little_memory(text: str, said: str) -> None:
    """A task that takes 2 GB can break other tasks."""
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=said):
            parse_document(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < A_LITTLE


@given(st.text(alphabet="&*ab[]{}:,- \n'\"!#|>%@`?<~01", max_size=60))
@settings(max_examples=300)
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    """For any text in the file."""
    try:
        document_problems(parse_document(text))
    except ConfigError as error:
        assert "cannot be read" in str(error)  # noqa: PT017 - both ends are fine


def fifo(path: Path) -> None:
    """Make a pipe without a writer."""
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make", [fifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()], ids=["fifo", "zero", "folder"]
)
def test_only_a_regular_file_is_read(make: Callable[[Path], object], tmp_path: Path) -> None:
    """Reading any other kind of file may never end."""
    path = tmp_path / "workspace.yaml"
    make(path)

    with pytest.raises(ConfigError, match="not a regular file"):
        load_document(path)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """Its size is known before the end of it."""
    path = tmp_path / "workspace.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 1024**2)

    with pytest.raises(ConfigError, match="larger than 8 MB"):
        load_document(path)


def test_a_dict_that_contains_itself_is_refused() -> None:
    """A DAG file can make such a dict."""
    spec: dict[str, Any] = {}
    spec["pipelines"] = [spec]

    with pytest.raises(ConfigError, match=f"deeper than {plain_values.MAX_DEPTH} levels"):
        load_document(spec)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', '{"a": 99999999999999999999}'])
def test_a_number_that_json_does_not_have_is_refused(text: str) -> None:
    """A request could not have it."""
    with pytest.raises(ConfigError, match="number"):
        parse_document(text)


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    """Editors on Windows write it."""
    path = tmp_path / "workspace.json"
    path.write_bytes(b'\xef\xbb\xbf{"pipelines": []}')

    assert {"pipelines": []} == load_document(path).content
