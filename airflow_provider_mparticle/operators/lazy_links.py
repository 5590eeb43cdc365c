"""
Lets operators declare their links without importing them.

Importing the links would cost every DAG file half a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_mparticle.links import PipelineLink, RunLink


class LazyLinks:
    """
    The attribute ``operator_extra_links`` of an operator class. It imports the links when it is read.

    :param has_run: Whether the task also has a link to its run. Default: False.
    """

    def __init__(self, *, has_run: bool = False) -> None:
        self._has_run = has_run

    def __get__(self, task: object, owner: type) -> tuple[PipelineLink | RunLink, ...]:
        """Return the links of a task or of its class."""
        from airflow_provider_mparticle.links import PipelineLink, RunLink

        return (PipelineLink(), RunLink()) if self._has_run else (PipelineLink(),)
