"""Rules for a pipeline, differences between two descriptions of it, and the body of a PUT."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import Pipeline
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.configuration.ensure import validated
from airflow_provider_mparticle.configuration.resource_diff import changed_fields, differences
from airflow_provider_mparticle.configuration.resource_update import refusals, update_body

INCREMENTAL = {
    "type": "incremental",
    "iterator_field": "updated_at",
    "iterator_data_type": "timestamp",
    "from": "2026-01-01T00:00:00Z",
}
HOURLY = {"type": "interval", "frequency": "hourly", "start": "2026-01-01T00:00:00Z"}
KEY = "feed-key-0042"


def wanted(**changes: Any) -> dict[str, Any]:
    """The checked fields of a valid pipeline, with the *changes*."""
    fine = {
        "id": "orders",
        "name": "Orders",
        "connection_id": "warehouse",
        "data_model_id": "orders-model",
        "sync_mode": INCREMENTAL,
        "schedule": HOURLY,
        "environment": "development",
        "state": "active",
    }
    return validated(PIPELINE, {**fine, **changes})


def had(**changes: Any) -> Pipeline:
    """The same pipeline in mParticle's answer, with the *changes*."""
    return Pipeline.read({**wanted(), "status": "healthy", "created_by": "ada@example.com", **changes})


# Checks


def test_fields_that_are_not_given_are_not_sent() -> None:
    """An empty template means that the field is missing; null would delete it."""
    fields = wanted(data_plan_id=None, field_transformation_id="", partner_feed_id=None)

    assert wanted() == fields
    assert {"data_plan_id", "field_transformation_id", "partner_feed_id"}.isdisjoint(fields)


def test_blanks_inside_the_dicts_are_not_sent_either() -> None:
    """A blank until means unbounded, the same as no until."""
    fields = wanted(sync_mode={**INCREMENTAL, "until": "", "time_zone": None})

    assert INCREMENTAL == fields["sync_mode"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id": None}, "id is missing"),
        ({"name": ""}, "name is missing"),
        ({"connection_id": None}, "connection_id is missing"),
        ({"data_model_id": ""}, "data_model_id is missing"),
        ({"sync_mode": None}, "sync_mode is missing"),
        ({"schedule": None}, "schedule is missing"),
        ({"id": "my orders"}, "id may hold letters"),
        ({"id": "orders/status"}, "id may hold letters"),
        ({"id": "orders\n"}, "id may hold letters"),
        ({"id": "bestellungen-für"}, "id may hold letters"),
        ({"connection_id": "ware.house"}, "connection_id may hold letters"),
        ({"data_model_id": "a b"}, "data_model_id may hold letters"),
        ({"field_transformation_id": "a?b"}, "field_transformation_id may hold letters"),
        ({"sync_mode": "full"}, "sync_mode must be a dict"),
        ({"schedule": "hourly"}, "schedule must be a dict"),
        ({"sync_mode": {}}, "sync_mode.type must be one of full, incremental; it is missing"),
        ({"sync_mode": {"type": "Full"}}, "sync_mode.type must be one of full, incremental, not 'Full'"),
        ({"sync_mode": {"type": ["full"]}}, "sync_mode.type must be one of full, incremental"),
        ({"sync_mode": {"type": "incremental", "iterator_data_type": "date"}}, "sync_mode.iterator_field is missing"),
        ({"sync_mode": {**INCREMENTAL, "iterator_field": ""}}, "sync_mode.iterator_field is missing"),
        ({"sync_mode": {"type": "incremental", "iterator_field": "at"}}, "sync_mode.iterator_data_type is missing"),
        ({"sync_mode": {**INCREMENTAL, "from": "yesterday"}}, "sync_mode.from must be an ISO 8601 instant"),
        ({"sync_mode": {**INCREMENTAL, "until": "31.01.2026"}}, "sync_mode.until must be an ISO 8601 instant"),
        ({"sync_mode": {**INCREMENTAL, "until": "2025-12-31T00:00:00Z"}}, "sync_mode.from must lie before until"),
        ({"sync_mode": {**INCREMENTAL, "until": "2026-01-01"}}, "sync_mode.from must lie before until"),
        ({"sync_mode": {**INCREMENTAL, "until": "2026-01-01T00:30:00+01:00"}}, "sync_mode.from must lie before until"),
        ({"schedule": {}}, "schedule.type must be one of interval, on_demand, once; it is missing"),
        ({"schedule": {"type": "cron"}}, "schedule.type must be one of interval, on_demand, once, not 'cron'"),
        ({"schedule": {"type": "interval"}}, "schedule.frequency must be one of hourly, daily, weekly, monthly"),
        ({"schedule": {**HOURLY, "frequency": "yearly"}}, "schedule.frequency must be one of hourly, daily"),
        ({"schedule": {**HOURLY, "start": "soon"}}, "schedule.start must be an ISO 8601 instant"),
        ({"schedule": {**HOURLY, "end": "2025-01-01"}}, "schedule.start must lie before end"),
        ({"environment": "staging"}, "environment must be one of development, production, not 'staging'"),
        ({"state": "inactive"}, "state must be one of active, paused, not 'inactive'"),
        ({"data_plan_version": "latest"}, "data_plan_version must be a whole number, not 'latest'"),
        ({"data_plan_version": 1.5}, "data_plan_version must be a whole number, not 1.5"),
        ({"data_plan_version": [3]}, "data_plan_version must be a whole number"),
    ],
)
def test_a_bad_field_is_named_with_its_pipeline(changes: dict[str, Any], named: str) -> None:
    """A DAG may create forty pipelines in a loop."""
    given = changes.get("id", "orders")

    with pytest.raises(ConfigError) as wrong:
        wanted(**changes)

    assert f"Pipeline {given!r}: {named}" in str(wrong.value)
    assert "Nothing was sent" in str(wrong.value)
    assert given == wrong.value.pipeline_id


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "Orders_2026-v2"},
        {"sync_mode": {"type": "full"}},
        {"sync_mode": {**INCREMENTAL, "until": "2026-01-01T00:00:01"}},
        {"sync_mode": {**INCREMENTAL, "iterator_data_type": "a_type_of_next_year"}},
        {"schedule": {"type": "on_demand"}},
        {"schedule": {"type": "once", "start": "2026-01-01T00:00:00.123Z"}},
        {"schedule": {**HOURLY, "delay": "1d"}},
        {"environment": "production"},
        {"environment": None},
        {"state": "paused"},
    ],
)
def test_what_mparticle_may_accept_is_not_refused(changes: dict[str, Any]) -> None:
    """Only what certainly fails is refused here; mParticle knows more, and may add words."""
    fields = wanted(**changes)

    assert "orders" == fields["id"].lower()[:6]


@pytest.mark.parametrize("version", [3, "3", " 3 "])
def test_a_data_plan_version_is_a_number(version: int | str) -> None:
    """A template renders it to text, but mParticle needs a number."""
    fields = wanted(data_plan_version=version)

    assert 3 == fields["data_plan_version"]
    assert isinstance(fields["data_plan_version"], int)


# Differences


def test_a_pipeline_does_not_differ_from_itself() -> None:
    """Otherwise every run of a DAG would write it."""
    changed = changed_fields(differences(had(), wanted()))

    assert [] == changed


@pytest.mark.parametrize(
    ("has", "wants"),
    [
        ({"name": "Order"}, {}),
        ({"connection_id": "old-warehouse"}, {}),
        ({"data_model_id": "old-model"}, {}),
        ({"environment": "production"}, {}),
        ({"state": "paused"}, {}),
        ({"sync_mode": {**INCREMENTAL, "iterator_field": "created_at"}}, {}),
        ({"sync_mode": {**INCREMENTAL, "from": "2026-01-02T00:00:00Z"}}, {}),
        ({"schedule": {**HOURLY, "frequency": "daily"}}, {}),
        ({"schedule": {"type": "on_demand"}}, {}),
        ({}, {"field_transformation_id": "mapping"}),
        ({}, {"partner_feed_id": 11}),
        ({}, {"partner_feed_key": KEY}),
        ({}, {"data_plan_id": "plan"}),
        ({}, {"data_plan_version": 3}),
    ],
)
def test_a_field_that_differs_is_named(has: dict[str, Any], wants: dict[str, Any]) -> None:
    """The log says what the task has changed."""
    changed = changed_fields(differences(had(**has), wanted(**wants)))

    assert [*has, *wants] == changed


@pytest.mark.parametrize(
    "same",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T01:00:00+01:00",
    ],
)
def test_instants_compare_by_what_they_mean(same: str) -> None:
    """Some have no zone in answers, or one to three digits of a second."""
    changed = changed_fields(differences(had(sync_mode={**INCREMENTAL, "from": same}), wanted()))

    assert [] == changed


def test_fields_that_mparticle_adds_are_not_a_difference() -> None:
    """It adds defaults to fields that the description does not have."""
    has = had(
        sync_mode={**INCREMENTAL, "time_zone": "UTC", "until": None},
        schedule={**HOURLY, "delay": "0d", "end": ""},
        data_plan_id="the account's default",
        partner_feed_id=11,
    )

    changed = changed_fields(differences(has, wanted()))

    assert [] == changed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sync_mode", {**INCREMENTAL, "until": "2026-02-01T00:00:00Z"}),
        ("schedule", {**HOURLY, "end": "2026-02-01T00:00:00Z"}),
    ],
)
def test_an_upper_bound_that_was_removed_is_a_difference(name: str, value: dict[str, Any]) -> None:
    """Blank means unbounded, so a description without the bound removes it."""
    changed = changed_fields(differences(had(**{name: value}), wanted()))

    assert [name] == changed


def test_numbers_and_their_texts_are_the_same() -> None:
    """Templates render to text, and mParticle answers with numbers."""
    changed = changed_fields(
        differences(had(partner_feed_id=11, data_plan_version=3), wanted(partner_feed_id="11", data_plan_version=3))
    )

    assert [] == changed


@pytest.mark.parametrize(
    ("masked", "changed"),
    [
        ("****", []),
        ("feed-****", []),
        ("****0042", []),
        ("feed-****42", []),
        ("feet-****", ["partner_feed_key"]),
        ("****0043", ["partner_feed_key"]),
        ("feed-key-****key-0042", ["partner_feed_key"]),
        (KEY, []),
        ("another", ["partner_feed_key"]),
    ],
)
def test_a_masked_key_is_compared_as_far_as_it_shows(masked: str, changed: list[str]) -> None:
    """A rotated key must be written, but not again in every run."""
    found = changed_fields(differences(had(partner_feed_key=masked), wanted(partner_feed_key=KEY)))

    assert changed == found


@pytest.mark.parametrize(("has", "wants"), [(INCREMENTAL, {"type": "full"}), ({"type": "full"}, INCREMENTAL)])
def test_the_type_of_the_sync_mode_cannot_change(has: dict[str, Any], wants: dict[str, Any]) -> None:
    """It is mParticle's rule, as the message says, with what to do instead."""
    (said,) = refusals(PIPELINE, had(sync_mode=has), wanted(sync_mode=wants))

    assert "mParticle does not allow to change sync_mode.type" in said
    assert f"'orders' has a sync_mode of type {has['type']!r}" in said


@pytest.mark.parametrize("has", [None, {}, {"time_zone": "UTC"}])
def test_a_sync_mode_that_mparticle_does_not_show_is_a_difference(has: dict[str, Any] | None) -> None:
    """mParticle then decides whether its type may change."""
    changed = changed_fields(differences(had(sync_mode=has), wanted()))

    assert ["sync_mode"] == changed


def test_no_difference_shows_a_key() -> None:
    """The names of the fields are logged and returned."""
    found = [*map(str, differences(had(partner_feed_key="other"), wanted(partner_feed_key=KEY)))]

    assert 1 == len(found)
    assert KEY not in repr((found, had(partner_feed_key=KEY)))


# Bodies


def test_a_body_carries_what_is_wanted_and_keeps_the_rest() -> None:
    """It is not documented whether PUT replaces or merges, so everything is sent."""
    has = had(name="Old", field_transformation_id="mapping", data_plan_id="plan", data_plan_version=3)

    body = update_body(PIPELINE, has, wanted())

    assert {
        **{name: value for name, value in wanted().items() if name != "id"},
        "field_transformation_id": "mapping",
        "data_plan_id": "plan",
        "data_plan_version": 3,
    } == body


def test_a_body_keeps_what_mparticle_added_inside_the_dicts() -> None:
    """Otherwise a PUT that replaces would delete a delay or a time zone."""
    has = had(sync_mode={**INCREMENTAL, "time_zone": "UTC"}, schedule={**HOURLY, "delay": "1d"})

    body = update_body(PIPELINE, has, wanted(sync_mode={**INCREMENTAL, "from": "2026-01-02T00:00:00Z"}))

    assert {**INCREMENTAL, "time_zone": "UTC", "from": "2026-01-02T00:00:00Z"} == body["sync_mode"]
    assert {**HOURLY, "delay": "1d"} == body["schedule"]


def test_a_body_drops_an_upper_bound_that_is_no_longer_wanted() -> None:
    """If it were sent or left out, one of the two kinds of PUT would keep it."""
    has = had(
        sync_mode={**INCREMENTAL, "until": "2026-02-01T00:00:00Z"}, schedule={**HOURLY, "end": "2026-02-01T00:00:00Z"}
    )

    body = update_body(PIPELINE, has, wanted())

    assert {**INCREMENTAL, "until": None} == body["sync_mode"]
    assert {**HOURLY, "end": None} == body["schedule"]


@pytest.mark.parametrize("masked", ["****", "feed-****", "****0042"])
def test_a_masked_value_is_never_written_back(masked: str) -> None:
    """It would replace the key of the feed with asterisks."""
    body = update_body(PIPELINE, had(partner_feed_key=masked, partner_feed_id=11), wanted(name="New"))

    assert "partner_feed_key" not in body
    assert 11 == body["partner_feed_id"]


def test_a_key_that_is_given_is_written() -> None:
    """mParticle's value is masked, but the user's is not."""
    body = update_body(PIPELINE, had(partner_feed_key="****"), wanted(partner_feed_key=KEY))

    assert KEY == body["partner_feed_key"]


def test_what_only_mparticle_sets_is_not_sent() -> None:
    """Status, errors and audit fields are mParticle's own; the id is in the path."""
    body = update_body(PIPELINE, had(errors=[{"message": "x"}], last_modified_on="2026-01-01"), wanted())

    assert {"id", "status", "errors", "created_by", "last_modified_on"}.isdisjoint(body)
