"""Let operators name their links without importing them, which would cost every DAG file half a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_mparticle.links import PipelineLink, RunLink


class LazyLinks:
    """
    The attribute ``operator_extra_links`` of an operator class, which imports the links when it is read.

    :param has_run: Whether the task has a link to its run as well.
    """

    def __init__(self, *, has_run: bool = False) -> None:
        self._has_run = has_run

    def __get__(self, task: object, owner: type) -> tuple[PipelineLink | RunLink, ...]:
        """Return the links, of a task or of its class."""
        from airflow_provider_mparticle.links import PipelineLink, RunLink

        return (PipelineLink(), RunLink()) if self._has_run else (PipelineLink(),)
