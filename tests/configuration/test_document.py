"""Documents: how they are read, that all problems are found at once, and the published schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sample_document import SAMPLE, sample

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.resource_kinds import KINDS, Kind
from airflow_provider_mparticle.client.secrets import is_secret_name
from airflow_provider_mparticle.configuration.document import (
    SECTIONS,
    SUFFIXES,
    Document,
    check_document,
    document_problems,
    load_document,
    parse_document,
)

SCHEMA = json.loads(files("airflow_provider_mparticle").joinpath("configuration", "document.schema.json").read_text())
PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "document.schema.json"


def errors(content: Any) -> list[str]:
    """The problems of a document, without warnings."""
    return [str(problem) for problem in document_problems(load_document(content)) if not problem.is_warning]


# Reading


def test_the_sample_is_valid() -> None:
    """It has no warnings either, and is large."""
    document = load_document(SAMPLE)

    assert [] == document_problems(document)
    assert [2, 3, 2, 3] == [len(document.descriptions(kind)) for kind in KINDS]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_says_the_same_in_yaml_and_json(suffix: str, tmp_path: Path) -> None:
    """Programs write JSON."""
    path = tmp_path / f"workspace{suffix}"
    path.write_text(SAMPLE.read_text() if suffix != ".json" else json.dumps(sample()))

    assert sample() == load_document(path).content == load_document(str(path)).content


def test_instants_stay_text_however_they_are_written() -> None:
    """YAML turns them into objects that a request cannot have."""
    text = parse_document("a: 2026-01-01T00:00:00Z\nb: 2026-01-01\nc: '2026-01-01'").content
    given = load_document({"a": datetime(2026, 1, 1, tzinfo=UTC), "b": [date(2026, 1, 1)]}).content

    assert {"a": "2026-01-01T00:00:00Z", "b": "2026-01-01", "c": "2026-01-01"} == text
    assert {"a": "2026-01-01T00:00:00+00:00", "b": ["2026-01-01"]} == given


def test_a_document_does_not_change_with_the_dict_it_was_read_from() -> None:
    """A DAG file may make several documents from one dict."""
    given = sample()
    document = load_document(given)

    given["pipelines"][0]["name"] = "Another"

    assert sample() == document.content


def test_anchors_and_merges_are_understood() -> None:
    """They make long documents shorter, and do not count as repeated keys."""
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: {a: 1}"

    assert {"x": 1, "y": 3} == parse_document(text).content["b"]


def test_yaml_in_braces_is_yaml() -> None:
    """A document may be written in flow style."""
    assert {"pipelines": []} == parse_document("{pipelines: []}").content


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pipelines: [", "line 1, column 13"),
        ("pipelines:\n  - id: a\n    id: b\n", "line 3: 'id' occurs twice"),
        ("pipelines: []\nmodels:\n\t- id: a", "line 3, column 1"),
        ('{"pipelines": [],\n"pipelines": []}', "'pipelines' occurs twice"),
        ('{"pipelines": [,]}', "line 1, column 16"),
        ("a: \x07", "it is not YAML"),
        ("a: 1\n---\nb: 2", "line 2"),
    ],
)
def test_an_error_of_syntax_has_its_line(text: str, said: str) -> None:
    """A user must find it."""
    with pytest.raises(ConfigError, match="the document cannot be read") as refused:
        parse_document(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    "secret", ["*hunter2", "!hunter2 x", "'hunter2", "&hunter2 a: b", "{hunter2", "@hunter2", "%hunter2"]
)
def test_wrong_syntax_shows_no_secret(secret: str) -> None:
    """A password without quotation marks is the usual reason, and the YAML parser would quote it."""
    with pytest.raises(ConfigError) as refused:
        parse_document(f"connections:\n  - config:\n      password: {secret}\n")

    assert "hunter2" not in f"{refused.value!r}{refused.value.__cause__!r}"
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing.yaml", "Cannot read"), ("workspace.toml", "is a .yaml, .yml or .json file"), (".", "is a .yaml")],
)
def test_a_file_that_cannot_be_read_is_named(name: str, said: str, tmp_path: Path) -> None:
    """The message has the path that was passed."""
    with pytest.raises(ConfigError, match=said) as refused:
        load_document(tmp_path / name)

    assert str(tmp_path) in str(refused.value)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    """Old editors write such files."""
    path = tmp_path / "workspace.yaml"
    path.write_bytes(b"name: Gesch\xe4ft")

    with pytest.raises(ConfigError, match="Cannot read the document"):
        load_document(path)


# Problems


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The sample with one change."""
    content = sample()
    change(content)
    return content


def _put(section: str, number: int, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content[section][number].update(fields)


WRONG = [
    (lambda c: c.update(pipeline=[]), "pipeline is not a section of a document"),
    (lambda c: c.update(pipelines=None), "pipelines must be a list; write [] for an empty one"),
    (lambda c: c.update(pipelines={}), "pipelines must be a list"),
    (lambda c: c["pipelines"].append("orders"), "pipelines[3] must be a dict, not a str"),
    (lambda c: c["pipelines"].append(None), "pipelines[3] must be a dict, not None"),
    (
        _put("pipelines", 1, id="customers-daily"),
        "pipelines[1].id is 'customers-daily', which is already the id of pipelines[0]",
    ),
    (_put("pipelines", 1, id=7), "pipelines[1].id must be text, not 7 (pipeline 7)"),
    (_put("pipelines", 1, id=None), "pipelines[1].id is missing"),
    (_put("pipelines", 1, cron="1h"), "pipelines[1].cron is not a field of a pipeline"),
    (_put("pipelines", 1, connection_id="a b"), "pipelines[1].connection_id may hold letters"),
    (_put("pipelines", 1, sync_mode={"type": "half"}), "pipelines[1].sync_mode.type must be one of full, incremental"),
    (_put("pipelines", 1, sync_mode={"type": "incremental"}), "pipelines[1].sync_mode.iterator_field is missing"),
    (_put("pipelines", 1, sync_mode="full"), "pipelines[1].sync_mode must be a dict, not a str"),
    (_put("pipelines", 1, schedule={"type": "interval"}), "pipelines[1].schedule.frequency must be one of hourly"),
    (_put("pipelines", 1, environment="test"), "pipelines[1].environment must be one of"),
    (_put("pipelines", 1, state="on"), "pipelines[1].state must be one of"),
    (_put("pipelines", 1, data_plan_version="x"), "pipelines[1].data_plan_version must be a whole number"),
    (_put("connections", 0, config=None), "connections[0].config is missing"),
    (_put("connections", 0, config=["x"]), "connections[0].config must be a dict, not a list"),
    (_put("data_models", 2, type="table"), "data_models[2].type must be one of sql"),
    (_put("data_models", 2, config={}), "data_models[2].config.sql_query is missing"),
    (_put("data_models", 2, config={"sql_query": " "}), "data_models[2].config.sql_query is missing"),
    (_put("field_transformations", 0, mappings={}), "field_transformations[0].mappings must be a list"),
    (_put("field_transformations", 0, mappings=[1]), "field_transformations[0].mappings[0] must be a dict"),
    (
        _put("field_transformations", 0, mappings=[{"mapping_type": "static", "destination": "a"}]),
        "field_transformations[0].mappings[0].value is missing",
    ),
    (
        _put("field_transformations", 0, mappings=[{"mapping_type": ["column"]}]),
        "field_transformations[0].mappings[0].mapping_type must be one of column, static, ignore",
    ),
    (_put("field_transformations", 0, destination_type="user"), "field_transformations[0].destination_type must be"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_problem_has_its_place(change: Callable[[dict[str, Any]], object], said: str) -> None:
    """A place has a line, an id names the resource, and the published schema finds the same problem."""
    content = changed(change)

    found = errors(content)

    assert 1 == sum(problem.startswith(said) for problem in found), found
    if "already the id of" not in said:  # a JSON Schema cannot compare two items
        assert not Draft202012Validator(SCHEMA).is_valid(content)


def test_a_problem_has_the_id_if_it_is_known() -> None:
    """An index in a list of 40 pipelines is hard to understand."""
    content = changed(_put("pipelines", 1, sync_mode={**sample()["pipelines"][1]["sync_mode"], "from": "yesterday"}))

    assert [
        "pipelines[1].sync_mode.from must be an ISO 8601 instant, not 'yesterday' (pipeline 'orders-hourly')"
    ] == errors(content)


def test_all_problems_are_reported_at_once() -> None:
    """A user must not need ten deploys to find ten mistakes."""
    content = sample()
    content["schemas"] = []
    for section in SECTIONS:
        content[section][0].pop("name")
        content[section].append(content[section][1])

    with pytest.raises(ConfigError) as refused:
        check_document(load_document(content))

    assert 1 + 2 * len(SECTIONS) == len(errors(content))
    assert all(problem in str(refused.value) for problem in errors(content))
    assert str(refused.value).endswith("Nothing was sent to mParticle.")


@pytest.mark.parametrize("content", [None, [], "orders", 3])
def test_a_document_must_be_a_dict(content: Any) -> None:
    """An empty file is read as None, and the problem says that it is empty."""
    (problem,) = document_problems(parse_document(json.dumps(content)))

    assert "must be a dict with the sections connections, data_models" in str(problem)
    assert ("is empty" in str(problem)) == (content is None)


def test_what_may_work_anyway_is_a_warning() -> None:
    """It is returned, and does not refuse the document."""
    content = changed(_put("pipelines", 1, schedule={"type": "interval", "frequency": "daily", "delay": "soon"}))

    (warning,) = check_document(load_document(content))

    assert "pipelines[1].schedule.delay should look like '1d', not 'soon'" in str(warning)


def test_problems_show_no_secret() -> None:
    """Also if a dict with a secret is in the wrong place."""
    content = sample()
    content["connections"][0]["config"] = json.dumps({"password": "hunter2"})
    content["connections"][1]["password"] = "hunter2"
    content["pipelines"][0]["partner_feed_key"] = "hunter2****"

    found = errors(content)

    assert 3 == len(found)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("strange", [None, "", 0, 1.5, True, "x", [], [[]], {}, {"type": []}, [{"mapping_type": {}}]])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_any_value_can_be_checked(kind: Kind[Any], strange: Any) -> None:
    """A check that raises an error hides all other problems."""
    for name in ("id", *kind.writable):
        content = changed(_put(kind.plural, 0, **{name: strange}))

        assert all(problem.split("[")[0] in SECTIONS for problem in errors(content))


# The schema


def test_the_schema_is_published_as_it_is_in_the_package() -> None:
    """The documentation and the package have the same file."""
    assert PUBLISHED.resolve() == Path(
        str(files("airflow_provider_mparticle").joinpath("configuration", "document.schema.json"))
    )
    Draft202012Validator.check_schema(SCHEMA)


def test_the_sample_fits_the_schema() -> None:
    """An editor shows no problem in a document that the rules accept."""
    assert [] == [error.message for error in Draft202012Validator(SCHEMA).iter_errors(sample())]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schema_has_the_fields_that_can_be_written(kind: Kind[Any]) -> None:
    """The same fields under the name of the kind."""
    described = SCHEMA["$defs"][kind.name]

    assert {"id", *kind.writable} == set(described["properties"])
    assert described["additionalProperties"] is False
    assert f"#/$defs/{kind.name}" == SCHEMA["properties"][kind.plural]["items"]["$ref"]


def test_the_schema_marks_the_secrets() -> None:
    """They are written and never read."""
    marked, named = set(), set()
    for kind in KINDS:
        properties = SCHEMA["$defs"][kind.name]["properties"]
        for name, field in {**properties, **properties.get("config", {}).get("properties", {})}.items():
            marked |= {name} if field.get("writeOnly") else set()
            named |= {name} if is_secret_name(name) else set()

    assert {"password", "service_account_key", "partner_feed_key"} == marked == named


@given(
    st.sampled_from(["connections", "data_models", "pipelines"]),
    st.integers(0, 99),
    st.sampled_from([None, [], {}, 5, "x"]),
    st.sampled_from(["id", "x.y", "config"]),
)
def test_a_key_that_looks_like_a_place_is_an_unknown_section(section: str, number: int, inside: Any, name: str) -> None:
    """It once ended in a KeyError."""
    content = {f"{section}[{number}].{name}": 1, section: inside}

    assert any("is not a section" in str(problem) for problem in document_problems(Document(content)))


@pytest.mark.parametrize("version", ["9" * 19, "9" * 5000, "-1", "1.5", "٣"])
def test_a_version_that_is_not_a_number_of_18_digits_is_a_problem(version: str) -> None:
    """A number of 5,000 digits once ended in a ValueError."""
    content = {"pipelines": [{"id": "p", "data_plan_version": version}]}

    assert any("data_plan_version must be a whole number" in str(one) for one in document_problems(Document(content)))
