"""An API for tests of steps: it returns prepared answers and records which routes were requested."""

from __future__ import annotations

from typing import Any

from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import drive


class Api:
    """
    Returns the prepared answers of each route in order, and repeats the last one; an exception is raised.

    :param answers: A list of answers for each route, by the route's name.
    """

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def send(self, call: Any) -> Any:
        """Answer one call."""
        self.asked.append(call.route)
        answers = self.answers[call.route]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def poll(self, lookup: RunLookup) -> PipelineRun | None:
        """Poll once, and return the run of this lookup."""
        return lookup.select(drive(lookup.poll(), self.send, lambda _: None))


def status(run: PipelineRun | None) -> PipelineStatus:
    """Return a pipeline status that shows this run."""
    return PipelineStatus("orders", latest_pipeline_run=run)
