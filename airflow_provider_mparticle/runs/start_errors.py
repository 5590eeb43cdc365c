"""Words the errors of a start: the pipeline is busy, or it is not known whether a run began."""

from __future__ import annotations

from airflow_provider_mparticle.client.errors import MParticleError, PipelineBusyError, StartAmbiguousError
from airflow_provider_mparticle.client.models import PipelineRun


def busy_error(pipeline_id: str, error: MParticleError | None, run: PipelineRun | None = None) -> PipelineBusyError:
    """
    Return the error for a pipeline that has another run in progress.

    :param error: How mParticle refused the trigger request, if one was sent.
    :param run: The other run as mParticle shows it. Default: it is not shown.
    """
    run_id = run.pipeline_run_id if run else None
    state = ""
    if run and not run.is_state_known:
        state = (
            f" Its state {run.state!r} is unknown, so it counts as in progress. If the word means that the run has "
            "ended, say so in the extra 'run_states' of the Airflow connection."
        )
    which = "a run that it does not name" if run_id is None else f"run {run_id}"
    return PipelineBusyError(
        f"Pipeline {pipeline_id!r} already has {which} in progress, so this task did not start one. Wait for that run "
        f"with MParticlePipelineRunSensor, or pass if_running='wait', 'attach' or 'skip'.{state}",
        status=error.status if error else None,
        reasons=error.reasons if error else (),
        pipeline_id=pipeline_id,
        pipeline_run_id=run_id,
    )


def ambiguous_error(
    pipeline_id: str, error: MParticleError | None, run: PipelineRun | None = None
) -> StartAmbiguousError:
    """
    Return the error for a trigger request that may or may not have started a run.

    :param error: How the trigger request failed; None if it was accepted, or an earlier try sent it.
    :param run: A run that may be this task's, or another.
    """
    why: object = error or "mParticle does not show which run it started"
    if run and run.pipeline_run_id is None:
        why = (
            "mParticle shows a run, but no id of it. If the id has another name here, add that name to the extra "
            "'run_fields' of the Airflow connection"
        )
    elif run and not error:
        why = f"run {run.pipeline_run_id} may be the one that this task started, or another"
    return StartAmbiguousError(
        f"Pipeline {pipeline_id!r} may have been triggered by this task, but it is not known whether a run "
        f"began: {why}. Check the pipeline in mParticle. A retry of this task checks the runs again before it starts "
        "one; clearing the task starts a new run.",
        status=error.status if error else None,
        reasons=error.reasons if error else (),
        pipeline_id=pipeline_id,
        pipeline_run_id=run.pipeline_run_id if run else None,
    )
