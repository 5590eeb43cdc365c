"""``--set`` renders exactly the templates that name the value, and every mistake is one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.cli.document_values import rendered
from airflow_provider_mparticle.client.errors import ConfigError

METHODS = [name for name in dir(dict) if not name.startswith("_")]


@given(st.sampled_from(METHODS), st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=9))
def test_a_name_that_a_dict_has_as_a_method_is_the_given_value(name: str, value: str) -> None:
    """Jinja would otherwise render ``{{ params.items }}`` as '<built-in method items of dict object ...>'."""
    assert ([value], []) == rendered(["{{ params." + name + " }}"], [f"{name}={value}"])


@pytest.mark.parametrize("name", METHODS)
def test_a_template_with_a_missing_value_stays_unchanged(name: str) -> None:
    """The plan then refuses the template."""
    template = "{{ params." + name + " }}"

    assert (template, ["another"]) == rendered(template, ["another=1"])


@pytest.mark.parametrize(
    ("given", "unused"),
    [
        (["feed=1"], []),
        (["feed=1", "fed=2"], ["fed"]),
        (["params.feed=1", "var.value.key=2"], ["var.value.key"]),
        (["feed=1", "var.value.other=2"], []),
    ],
)
def test_a_value_that_no_template_uses_is_named(given: list[str], unused: list[str]) -> None:
    """A misspelled name would otherwise leave the template unrendered without a hint."""
    content = {"name": "{{ params.feed }}", "sql": ["{{ var.value.other }}"]}

    assert unused == rendered(content, given)[1]


@pytest.mark.parametrize(
    "template",
    ["{{ 1 / 0 }}", "{{ params.x + 1 }}", "{{ range(10 ** 9) | list }}", "{{ params.x | nothing }}", "{{ params.x"],
)
def test_a_template_that_cannot_be_rendered_is_an_error_of_the_document(template: str) -> None:
    """The error is one sentence with one full stop, without a traceback."""
    with pytest.raises(
        ConfigError, match=r"^A template of the document cannot be rendered: .*[^.]\. Nothing was sent to mParticle\.$"
    ):
        rendered({"name": template}, ["x=1"])


@pytest.mark.parametrize(
    ("template", "expected"), [("{% if params.x == '1' %}a{% else %}b{% endif %}", "a"), ("{# later #}a", "a")]
)
def test_blocks_and_comments_in_a_value_are_rendered_as_the_operator_does(template: str, expected: str) -> None:
    """The command line and the operator read the same document."""
    assert expected == rendered(template, ["x=1"])[0]


@pytest.mark.parametrize("given", [["a=1", "a=2"], ["params.a.x=1", "params.a=2"], ["params.a=1", "params.a.x=2"]])
def test_a_name_that_is_given_twice_is_refused(given: list[str]) -> None:
    """It is unknown which of the two values the user wants."""
    with pytest.raises(ConfigError, match="twice"):
        rendered("{{ params.a }}", given)
