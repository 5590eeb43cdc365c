"""Declares what the start of a run asks of a lock on the pipeline's data model; `slices` implements it."""

from __future__ import annotations

from typing import Any, Protocol

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.steps import Steps


class RunLock(Protocol):
    """A lock that a task holds while its run starts, so that the data model has the SQL of its slice of history."""

    @property
    def slice_id(self) -> str:
        """The slice, as an ISO 8601 interval."""

    def check_available(self) -> Steps[Any]:
        """
        Read which task holds the lock.

        :raises DataModelHeldError: Another task still needs it.
        """

    def acquire(self) -> Steps[None]:
        """Take the lock."""

    def verify(self) -> Steps[None]:
        """
        Check, right before the run is triggered, that this task still holds the lock.

        :raises DataModelHeldError: Another task has taken it.
        """

    def is_still_held(self) -> Steps[bool]:
        """Return whether this task, or an earlier try of it, still holds the lock."""

    def may_have_read(self, run: PipelineRun) -> bool:
        """Return whether a run may have read this slice, as far as the lock knows."""
