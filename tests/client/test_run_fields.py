"""The names of a run's fields."""

from __future__ import annotations

import dataclasses

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS


def test_the_id_of_a_run_is_never_read_from_id() -> None:
    """In v1 the ``id`` of a run is that of its pipeline, so every run would have the same id."""
    assert ("pipeline_run_id",) == RUN_FIELDS["pipeline_run_id"]


def test_there_are_names_for_every_field_of_a_run() -> None:
    """A field without names would always be None; ``progress`` and ``is_state_known`` follow from the state."""
    fields = {field.name for field in dataclasses.fields(PipelineRun)} - {"progress", "is_state_known"}

    assert fields == set(RUN_FIELDS)


def test_a_further_name_goes_in_front() -> None:
    """The connection's ``run_fields`` corrects a wrong assumption, even if the wrong name is there too."""
    names = {**RUN_FIELDS, "state": ("runStatus", *RUN_FIELDS["state"])}

    run = PipelineRun.read({"runStatus": "success", "status": "healthy"}, "orders", names)

    assert "success" == run.state


def test_a_null_under_one_name_leaves_the_others() -> None:
    """Fields without a value may come as null."""
    assert "failed" == PipelineRun.read({"status": None, "pipeline_run_state": "failed"}, "orders").state
