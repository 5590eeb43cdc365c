"""What a task keeps from one try to the next: it fits into Airflow's store, and every version can read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.answer_fields import LONGEST_WORD
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.start_record import StartRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE_LIMIT = 64_000


@pytest.mark.parametrize(
    "record",
    [
        StartRecord("orders", 1.5),
        StartRecord("orders", 1.5, ("1", "2"), 3, 1, 7, 2.5, is_finished=True),
        StartRecord("orders", 1.5, pipeline_run_id="seven"),
        StartRecord("orders", 1.5, known_until=NOW, sent_at=(1.5, 2.5), result={"state": "success"}),
    ],
    ids=["new", "finished", "id as text", "with requests and a result"],
)
def test_a_record_survives_its_way_through_the_store(record):
    """Airflow's task state store keeps JSON, which has no tuples."""
    stored = json.dumps(record.as_json())

    assert record == StartRecord.from_json(json.loads(stored))


@pytest.mark.parametrize(
    ("finished", "pipeline_id", "max_tries", "clear_number", "counts"),
    [
        pytest.param(False, "orders", 3, 0, True, id="a retry keeps max_tries"),
        pytest.param(False, "orders", 4, 1, False, id="a clear raises max_tries"),
        pytest.param(False, "orders", 3, 1, True, id="a clear of another task, or of this one while it runs"),
        pytest.param(False, "customers", 3, 0, False, id="another pipeline"),
        pytest.param(True, "orders", 3, 0, True, id="a worker lost after its work was done"),
        pytest.param(True, "orders", 3, 1, False, id="a clear after success that keeps max_tries"),
    ],
)
def test_a_record_counts_for_a_retry_and_not_after_a_clear(finished, pipeline_id, max_tries, clear_number, counts):
    """A retry must find its run, and a user who clears a task wants a new run."""
    record = StartRecord("orders", 1.5, max_tries=3, clear_number=0, is_finished=finished)

    assert counts == record.counts_for(pipeline_id, None, max_tries, clear_number)


@given(st.dictionaries(st.sampled_from(["noted_at", "recorded_at", "known_run_ids", "max_tries", "mood"]), st.none()))
@settings(max_examples=50)
def test_a_record_of_another_version_is_read(stored):
    """Versions add and remove keys, and a task may be running during an upgrade."""
    record = StartRecord.from_json({"pipeline_id": "orders", **stored})

    assert ("orders", ()) == (record.pipeline_id, record.known_run_ids)


def test_a_record_of_a_former_version_keeps_its_meaning():
    """Two keys have other names now."""
    record = StartRecord.from_json({"pipeline_id": "orders", "noted_at": 1.5, "window": "a/b", "known_run_ids": ["7"]})

    assert StartRecord("orders", 1.5, ("7",), slice_id="a/b") == record
    assert (1.5,) == record.requests_at


@given(
    st.lists(st.one_of(st.integers(), st.text(max_size=500)), max_size=60, unique_by=str),
    st.lists(st.floats(0, 1e10), max_size=40),
    st.text(max_size=LONGEST_WORD),
)
@settings(max_examples=50)
def test_a_record_fits_into_the_store(ids, requests, state):
    """The store takes 64 KB, and a record that it refuses would be lost."""
    runs = [PipelineRun("orders", run_id, started_on=NOW) for run_id in ids * 100]
    result = PipelineRun("orders", state, state=state).as_dict()
    record = StartRecord("orders", 1.0, result=result).with_known(runs)
    for at in requests:
        record = record.with_request(at)

    assert len(json.dumps(record.as_json(), ensure_ascii=False).encode()) < STORE_LIMIT


def test_a_run_that_is_older_than_the_newest_known_one_is_known():
    """An old run that a short list or a status does not show must not look new later."""
    newest = PipelineRun("orders", 9, started_on=NOW)
    record = StartRecord("orders", 1.0).with_known([newest])

    assert record.knows(PipelineRun("orders", 5, started_on=NOW - timedelta(days=1)))
    assert record.knows(PipelineRun("orders", 5))
    assert not record.knows(PipelineRun("orders", 10, started_on=NOW + timedelta(seconds=1)))
    assert not record.knows(PipelineRun("orders", 10))


@pytest.mark.parametrize("run_id", [5, "other"])
def test_the_start_of_a_run_decides_if_its_id_does_not(run_id):
    """That mParticle counts runs upwards is assumed, and an id may be a text."""
    record = StartRecord("orders", 1.0).with_known([PipelineRun("orders", 9, started_on=NOW)])

    assert record.knows(PipelineRun("orders", run_id, started_on=NOW - timedelta(seconds=1)))
    assert not record.knows(PipelineRun("orders", run_id, started_on=NOW + timedelta(seconds=1)))


@given(st.integers(-7200, 7200), st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_run_with_a_higher_id_than_all_known_ones_is_new(set_s, newest, more):
    """mParticle's clock may have been set back since the newest known run, and then ours seems to be older."""
    record = StartRecord("orders", 1.0).with_known([PipelineRun("orders", newest, started_on=NOW)])

    assert not record.knows(PipelineRun("orders", newest + more, started_on=NOW + timedelta(seconds=set_s)))


@given(st.integers(1, 200), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_new_run_is_never_known_however_alike_ids_begin(length, known, new):
    """An id that is cut looks like another, and then a task does not find its own run and starts a second one."""
    assume(known != new)
    known_id, new_id = (f"{'run-'.ljust(length, '-')}{number}"[:200] for number in (known, new))
    assume(known_id != new_id)
    record = StartRecord("orders", 1.0).with_known([PipelineRun("orders", known_id)])

    assert record.knows(PipelineRun("orders", known_id))
    assert not record.knows(PipelineRun("orders", new_id))
    assert not StartRecord.from_json(record.as_json()).knows(PipelineRun("orders", new_id))


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_result_of_a_run_is_kept_as_it_is(pipeline_id, run_id):
    """A retry after a lost worker returns it, and other tasks use the ids in it."""
    result = {"pipeline_id": pipeline_id, "pipeline_run_id": run_id}
    record = StartRecord(pipeline_id, 1.0, result=result)

    assert result == StartRecord.from_json(record.as_json()).result


@given(st.lists(st.integers(-7200, 7200), max_size=5), st.integers(1, 7200))
def test_a_run_without_an_id_is_known_only_by_its_start(starts, later_s):
    """The id may have another name in mParticle's answers. All such runs would be the same run."""
    known = [PipelineRun("orders", started_on=NOW + timedelta(seconds=at)) for at in starts]
    record = StartRecord("orders", 1.0).with_known(known)

    assert not record.knows(PipelineRun("orders"))
    assert not record.knows(PipelineRun("orders", started_on=NOW + timedelta(seconds=max(starts, default=0) + later_s)))
    if starts:
        assert record.knows(PipelineRun("orders", started_on=NOW + timedelta(seconds=max(starts) - later_s)))


STORED = StartRecord(
    "orders",
    1.5,
    ("7", "8"),
    max_tries=2,
    pipeline_run_id=9,
    waiting_since=2.5,
    slice_id="a/b",
    known_until=NOW,
    sent_at=(1.5, 2.0),
    skew_s=0.5,
    result={"state": "success"},
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "null", "2026"]),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.text(max_size=3), parts, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([*STORED.as_json()]), JSON)
def test_a_damaged_field_is_refused_or_has_its_type(name, damage):
    """Read as another value, for example max_tries as text, it would not count, and a second run would start."""
    try:
        record = StartRecord.from_json({**STORED.as_json(), name: damage})
    except ValueError as error:
        assert name in str(error)  # noqa: PT017 - either is right
        return

    read = record.as_json()
    assert {**STORED.as_json(), name: read[name]} == read
    if damage is not None and name != "known_until":
        assert [type(damage)] == [type(read[name])] or {int, float} == {type(damage), type(read[name])}
    assert all(abs(at) < 1e12 for at in (*record.requests_at, record.skew_s or 0.0, record.waiting_since or 0.0))


@pytest.mark.parametrize("name", ["max_tries", "recorded_at", "waiting_since", "skew_s", "is_finished", "sent_at"])
def test_a_number_as_text_is_not_a_number(name):
    """A person who edits a variable may write one."""
    with pytest.raises(ValueError, match=f"^{name} is '2'"):
        StartRecord.from_json({**STORED.as_json(), name: "2"})
