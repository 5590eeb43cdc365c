"""A document is written as YAML that people read and that every reader reads back."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from airflow_provider_mparticle.configuration.document_parser import read_text
from airflow_provider_mparticle.configuration.document_writer import as_yaml


def test_sql_keeps_its_lines() -> None:
    """Reviewers compare documents line by line."""
    assert "sql_query: |-\n  SELECT id\n  FROM orders\n" == as_yaml({"sql_query": "SELECT id\nFROM orders"})


def test_fields_keep_their_order_and_values_are_repeated() -> None:
    """An alias of YAML is hard to read, and many systems refuse it."""
    mapping = {"type": "full"}

    assert "b:\n  type: full\na:\n  type: full\n" == as_yaml({"b": mapping, "a": mapping})


@pytest.mark.parametrize(
    "text", ["yes", "No", "null", "1", "1e3", "inf", "2026-03-01", "", " a", "a: b", "# a", "{{ a }}"]
)
def test_text_that_other_readers_may_take_for_something_else_is_quoted(text: str) -> None:
    """For example, YAML 1.1 reads ``no`` as false."""
    assert f'name: "{text}"\n' == as_yaml({"name": text})


@pytest.mark.parametrize("text", ["Orders", "daily-orders", "Orders of (all) shops", "a_b/c.d"])
def test_plain_words_need_no_quotation_marks(text: str) -> None:
    """They are easier to read."""
    assert f"name: {text}\n" == as_yaml({"name": text})


@pytest.mark.parametrize(
    "value",
    ["a \nb", "\na\n", "a\r\nb", "ä\n\u2028b", "a\tb\nc", "ends\n", "\ufeffa\nb", "  a\nb", "\U0001f600\nb"],
    ids=ascii,
)
def test_odd_text_is_read_back_unchanged(value: Any) -> None:
    """A change of white space in SQL would be a change of the pipeline."""
    content = {"sql_query": value}

    assert content == yaml.safe_load(as_yaml(content))
    assert content == read_text(as_yaml(content))[0]
