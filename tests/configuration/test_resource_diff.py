"""Which values differ, and which are only another spelling, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.models import Pipeline, WarehouseConnection
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.resource_diff import (
    MEANINGS,
    as_documents_say,
    changed_fields,
    differences,
    is_duration,
    is_masked,
)

SAME = [
    ("config.sql_query", "SELECT a\nFROM b", " SELECT a \r\n  FROM b\r\n"),
    ("state", "active", "ACTIVE"),
    ("schedule.type", "on_demand", "On-Demand"),
    ("schedule.frequency", "daily", "Daily"),
    ("sync_mode.type", "incremental", "INCREMENTAL"),
    ("sync_mode.from", "2026-01-01", "2026-01-01T02:00:00.000+02:00"),
    ("sync_mode.from", "2026-01-01T00:00:00.1234Z", "2026-01-01T00:00:00.123"),
    ("sync_mode.time_zone", "UTC", "Etc/UTC"),
    ("schedule.delay", "1d", "24h"),
    ("schedule.delay", "1d", "P1D"),
    ("schedule.delay", "0d", None),
    ("schedule.delay", "90m", "PT1H30M"),
    ("name", "Orders", " Orders\n"),
    ("mappings", [{"source": "a"}, {"source": "b"}], [{"source": "b", "value": None}, {"source": "a", "id": 7}]),
    ("mappings", [{"value": True}], [{"value": "True"}]),
]


@pytest.mark.parametrize(("field", "one", "other"), SAME, ids=[f"{field} {other}" for field, _, other in SAME])
def test_two_spellings_have_one_meaning(field: str, one: Any, other: Any) -> None:
    """Whichever of the two mParticle has."""
    assert MEANINGS[field](one) == MEANINGS[field](other)


OTHER = [
    ("config.sql_query", "SELECT 'a'", "SELECT 'A'"),
    ("state", "active", "paused"),
    ("sync_mode.from", "2026-01-01", "2026-01-02"),
    ("sync_mode.time_zone", "UTC", "Europe/London"),
    ("sync_mode.iterator_field", "at", "AT"),
    ("schedule.delay", "1d", "1h"),
    ("schedule.delay", "1d", None),
    ("mappings", [{"source": "a"}, {"source": "a"}], [{"source": "a"}]),
    ("mappings", [{"value": "1"}], [{"value": "2"}]),
    ("mappings", [{"value": True}], [{"value": "False"}]),
    ("mappings", ["a line of text"], ["another"]),
    ("mappings", "a text", "another"),
    ("name", "Orders", "orders"),
]


@pytest.mark.parametrize(("field", "one", "other"), OTHER, ids=[f"{field} {other}" for field, _, other in OTHER])
def test_another_meaning_is_a_difference(field: str, one: Any, other: Any) -> None:
    """If a difference were missed, the user's change would not be sent."""
    assert MEANINGS[field](one) != MEANINGS[field](other)


def test_every_compared_field_is_one_of_the_schema() -> None:
    """A misspelled row of the table would have no effect."""
    for field in MEANINGS:
        part, _, name = field.rpartition(".")
        parts = [part] if part in ("sync_mode", "schedule") else ["connection", "data_model", "field_transformation"]
        known = {name for one in [*parts, "pipeline", "mapping"] for name in schema.definition(one)["properties"]}
        known |= {"sql_query"}

        assert name in known


def test_the_fields_that_differ_are_named_once_and_the_id_is_none_of_them() -> None:
    """It names the resource, and mParticle may have given another one."""
    have = Pipeline("p", name="Orders", sync_mode={"type": "full", "from": "2026-01-01"}, schedule={"type": "once"})
    wanted = {
        "id": "q",
        "sync_mode": {"type": "incremental", "from": "2026-01-02"},
        "name": "Orders",
        "schedule": {"type": "on_demand"},
    }

    assert ["sync_mode", "schedule"] == changed_fields(differences(have, wanted))


def test_words_of_the_schema_are_written_as_the_schema_writes_them() -> None:
    """At every depth; all other values stay as they are."""
    have = {
        "name": "ACTIVE",
        "state": "ACTIVE",
        "sync_mode": {"type": "Incremental", "iterator_field": "AT"},
        "unknown": [{"type": "FULL"}],
    }

    assert {
        "name": "ACTIVE",
        "state": "active",
        "sync_mode": {"type": "incremental", "iterator_field": "AT"},
        "unknown": [{"type": "FULL"}],
    } == as_documents_say("pipeline", have)
    mappings = [{"mapping_type": "IGNORE", "source": "IGNORE"}]
    assert {"mappings": [{"mapping_type": "ignore", "source": "IGNORE"}]} == as_documents_say(
        "field_transformation", {"mappings": mappings}
    )


@pytest.mark.parametrize("mask", ["", "[REDACTED]", "xxxx", "****", "•••", "<hidden>", "ord****", "****key"])
def test_a_mask_is_not_a_difference(mask: str) -> None:
    """It hides the wanted value."""
    have = Pipeline("p", partner_feed_key=mask)

    assert is_masked("partner_feed_key", mask)
    assert [] == differences(have, {"partner_feed_key": "orders-feed-key"})


@given(st.sampled_from([11, "11", 11.0]), st.sampled_from([11, "11", 11.0]))
def test_a_number_and_its_text_are_the_same(have: Any, wanted: Any) -> None:
    """Templates render to text, and servers answer with either."""
    assert [] == differences(Pipeline("p", partner_feed_id=have), {"partner_feed_id": wanted})


@pytest.mark.parametrize(("have", "wanted"), [("0123", 123), ("1.0", "1.00"), ("7", 8), (True, False)])
def test_text_that_is_not_that_number_differs(have: Any, wanted: Any) -> None:
    """The name of an account may begin with a zero."""
    found = differences(WarehouseConnection("c", config={"account": have}), {"config": {"account": wanted}})

    assert ["config.account"] == [one.field for one in found]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=6,
)


@given(JSON)
@settings(max_examples=200)
def test_nothing_differs_from_itself_for_any_answer(value: Any) -> None:
    """mParticle may answer any JSON."""
    for name in ("name", "mappings", "sync_mode", "schedule", "state"):
        if hasattr(Pipeline("p"), name):
            assert [] == differences(Pipeline("p", **{name: value}), {name: value} if value else {})
            differences(Pipeline("p", **{name: value}), {name: {"type": "full", "from": "2026-01-01"}})
            differences(Pipeline("p", **{name: value}), {name: "active"})


@pytest.mark.parametrize(("text", "is_one"), [("1d", True), ("P1D", True), ("soon", False), ("P", False)])
def test_a_duration_is_distinguished_from_other_text(text: str, is_one: bool) -> None:
    """Any other text leads to a warning."""
    assert is_one == is_duration(text)


LITERALS = (("'", "'"), ('"', '"'), ("`", "`"), ("$$", "$$"))


@given(st.sampled_from(LITERALS), st.text(" \n\tab", max_size=8), st.text(" \n\tab", max_size=8))
def test_spaces_inside_of_quotation_marks_are_a_difference(quotes: tuple[str, str], one: str, other: str) -> None:
    """They decide which rows a query finds; spaces around its lines do not."""
    first, last = quotes
    meaning = MEANINGS["config.sql_query"]

    is_same = meaning(f"SELECT a,\n  {first}{one}{last}\nFROM b.c") == meaning(
        f"SELECT a, \r\n{first}{other}{last} \r\n FROM b.c\r\n"
    )

    assert (one == other) is is_same


@given(st.text(" \n\tab\u00a0", max_size=5), st.text(" \n\tab\u00a0", max_size=5))
def test_spaces_of_a_static_value_are_a_difference(one: str, other: str) -> None:
    """The value is written to every event."""
    assert (one == other) is (MEANINGS["value"](one) == MEANINGS["value"](other))


@given(st.integers(0, 10**30), st.sampled_from(["{}d", "{} weeks", "P{}D", "PT{}S", "P{}W", "PT{}H"]))
def test_a_duration_of_any_length_can_be_compared(number: int, form: str) -> None:
    """Some are too long for Python; mParticle decides whether it accepts them."""
    text = form.format(number)

    assert MEANINGS["schedule.delay"](text) == MEANINGS["schedule.delay"](f" {text} ")
    assert is_duration(form.format(7))


@pytest.mark.parametrize("field", ["sync_mode.until", "schedule.end"])
def test_no_upper_bound_and_the_year_9999_are_the_same(field: str) -> None:
    """Whichever of the two mParticle has."""
    assert MEANINGS[field](None) == MEANINGS[field]("9999-12-31T23:59:59Z")
    assert MEANINGS[field](None) != MEANINGS[field]("2026-12-31T23:59:59Z")


@pytest.mark.parametrize(("wanted", "differs"), [([{"a": "1"}], False), ([{"a": 2}], True), ([{"a": 1, "c": 0}], True)])
def test_what_is_in_a_list_is_compared_by_its_meaning(wanted: Any, differs: bool) -> None:
    """A config may have fields that mParticle does not document."""
    have = WarehouseConnection("lake", config={"tags": [{"a": 1, "b": None}]})

    assert differs == bool(differences(have, {"config": {"tags": wanted}}))


def test_asterisks_in_the_place_of_any_value_are_not_a_difference() -> None:
    """mParticle hides it, so nothing is known about it, and the asterisks must not be written."""
    have = WarehouseConnection("lake", config={"host": "****"})

    assert [] == differences(have, {"config": {"host": "db.example.com"}})
    assert [] == differences(WarehouseConnection("lake", config={}), {"config": {"password": "a-secret"}})
