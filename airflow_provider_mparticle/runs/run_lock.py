"""What the start of a run asks of a lock on the pipeline's data model. Pure."""

from __future__ import annotations

from typing import Any, Protocol

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.steps import Steps


class RunLock(Protocol):
    """What must hold while a run starts: for a slice of history, that the data model holds the SQL of that slice."""

    @property
    def slice_id(self) -> str:
        """Identifies the slice: an ISO 8601 interval."""

    def check_available(self) -> Steps[Any]:
        """Read who holds the lock; raise an error if another task still needs it."""

    def acquire(self) -> Steps[None]:
        """Take the lock."""

    def verify(self) -> Steps[None]:
        """Check the lock once more, right before the run is triggered."""

    def is_still_held(self) -> Steps[bool]:
        """Check whether an earlier try of this task still holds the lock."""

    def reads(self, run: PipelineRun) -> bool:
        """Return whether a run can only have read this slice."""

    def may_have_read(self, run: PipelineRun) -> bool:
        """Return whether a run may have read this slice, as far as the lock knows."""
