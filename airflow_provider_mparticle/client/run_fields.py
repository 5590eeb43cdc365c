"""
Holds the table of field names of a pipeline run, with the name of v2 first and that of v1 second.

Note that in v1 the ``id`` of a run is the id of its *pipeline*. The extra field ``run_fields`` of the Airflow
connection adds other names, which are read first.
"""

from __future__ import annotations

from collections.abc import Mapping

# Warehouse Sync API reference of 2023 (v1 names) and overview of July 2025 (v2 names, assumed).
RUN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "pipeline_run_id": ("pipeline_run_id",),
    "pipeline_id": ("pipeline_id", "id"),
    "type": ("type", "pipeline_run_type"),
    "state": ("status", "pipeline_run_state"),
    "started_on": ("started_on", "start_date"),
    "ended_on": ("ended_on", "end_date"),
    "range_start": ("range_start", "data_interval_start"),
    "range_end": ("range_end", "data_interval_end"),
    "logical_date": ("logical_date",),
    "successful_records": ("successful_records", "records_mapped"),
    "failed_records": ("failed_records",),
    "errors": ("errors",),
}
