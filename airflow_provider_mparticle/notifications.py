"""Collects the facts for a message about a failed task: pipeline, run, mParticle's reasons, and links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.client.errors import MParticleError
    from airflow_provider_mparticle.client.models import RunId


@dataclass(frozen=True)
class Failure:
    """
    The reason why a task failed. ``str()`` returns a message of a few lines. It never contains secrets.

    :param dag_id: Id of the DAG.
    :param task_id: Id of the task. Empty if a whole DAG run failed and Airflow names no task.
    :param kind: Name of the error's class, for example ``"RunFailedError"``.
    :param message: What happened, to which object, and what to do next.
    :param pipeline_id: Slug of the pipeline. Default: None, the task does not name a pipeline, or only by a template
        that Airflow has not rendered.
    :param pipeline_run_id: Id of the run. Default: None, no run was started or its id is unknown.
    :param reasons: The reasons, in mParticle's own words. Default: none.
    :param link: Address of mParticle's web app, or of the pipeline there if the Airflow connection has ``app_link``.
        Default: empty, the Airflow connection cannot be read.
    :param log_url: Address of the task's log. Default: empty, Airflow does not give it.
    :param run_id: Id of the DAG run. Default: empty, Airflow does not give it.
    :param map_index: Number of the mapped task, from 0. Default: -1, the task is not mapped.
    :param run_link: Address of the run in mParticle's API, which answers only requests with a token. It is not in the
        message. Default: empty, no run is known, or the Airflow connection cannot be read.
    """

    dag_id: str
    task_id: str
    kind: str
    message: str
    pipeline_id: str | None = None
    pipeline_run_id: int | str | None = None
    reasons: tuple[str, ...] = ()
    link: str = ""
    log_url: str = ""
    run_id: str = ""
    map_index: int = -1
    run_link: str = ""

    def __str__(self) -> str:
        """Return a message of a few lines."""
        run = f", run {self.pipeline_run_id}" if self.pipeline_run_id is not None else ""
        mapped = f", map index {self.map_index}" if self.map_index >= 0 else ""
        lines = [
            f"{'.'.join(filter(None, (self.dag_id, self.task_id)))} failed: {self.kind}",
            f"DAG run {self.run_id}{mapped}" if self.run_id else "",
            f"Pipeline {self.pipeline_id}{run}" if self.pipeline_id else "",
            self.message,
            f"mParticle: {self.link}" if self.link else "",
            f"Log: {self.log_url}" if self.log_url else "",
        ]
        return "\n".join(line for line in lines if line)


def failure_of(context: Context) -> Failure:
    """
    Return the reason why a task failed, for a failure callback or a notifier. No request is sent to mParticle.

    This works for every exception, and also if Airflow passes only a text because a worker was lost. In the callback of
    a DAG, the facts are those of the task that Airflow names, if any.

    :param context: The context that Airflow passes to ``on_failure_callback`` or to a notifier.
    """
    from airflow_provider_mparticle.links import known_id

    ti, task, exception = context.get("ti"), context.get("task"), context.get("exception")
    error = _mparticle_error(exception)
    pipeline_id = (error and error.pipeline_id) or known_id(getattr(task, "pipeline_id", None))
    pipeline_run_id = getattr(error, "pipeline_run_id", None)
    link, run_link = _links(task, pipeline_id, pipeline_run_id)
    return Failure(
        dag_id=getattr(ti or context.get("dag"), "dag_id", None) or "",
        task_id=getattr(ti, "task_id", None) or "",
        kind=type(error or exception).__name__ if error or isinstance(exception, BaseException) else "unknown",
        message=_text(error or exception) or _without_exception(context),
        pipeline_id=pipeline_id,
        pipeline_run_id=pipeline_run_id,
        reasons=error.reasons if error else (),
        link=link,
        log_url=getattr(ti, "log_url", None) or "",
        run_id=getattr(ti, "run_id", None) or context.get("run_id") or "",
        map_index=_map_index(ti),
        run_link=run_link,
    )


def _text(exception: Any) -> str:
    """Return the text of an exception, or nothing if it has none."""
    try:
        return str(exception or "")
    except Exception:  # broad: the class of an exception may raise anything here
        return f"The {type(exception).__name__} has no text that can be shown."


def _without_exception(context: Context) -> str:
    """Return the message for a failure without an exception. The callback of a DAG gets a reason, in one word."""
    reason = context.get("reason")
    if isinstance(reason, str) and reason:
        return f"Airflow's reason is {reason!r}. See the logs of the tasks."
    return "Airflow does not give a reason. See the log of the task."


def _map_index(ti: Any) -> int:
    map_index = getattr(ti, "map_index", None)
    return -1 if map_index is None else map_index


def _mparticle_error(exception: Any) -> MParticleError | None:
    """Return our error, which may be the cause or the context of an error of Airflow."""
    from airflow_provider_mparticle.client.errors import MParticleError

    return next((one for one in _chain(exception) if isinstance(one, MParticleError)), None)


def _chain(exception: Any) -> Iterator[BaseException]:
    seen: set[int] = set()
    while isinstance(exception, BaseException) and id(exception) not in seen:
        seen.add(id(exception))
        yield exception
        exception = exception.__cause__ or exception.__context__


def _links(task: Any, pipeline_id: str | None, pipeline_run_id: RunId | None) -> tuple[str, str]:
    """Return the addresses of the pipeline in the web app and of the run in the API, empty if they are unknown."""
    from airflow_provider_mparticle.hooks import MParticleHook
    from airflow_provider_mparticle.links import pipeline_address, run_address

    try:
        config = MParticleHook(task.mparticle_conn_id).get_conn().config
        link = pipeline_address(config, pipeline_id)
        if not pipeline_id or pipeline_run_id is None:
            return link, ""
        return link, run_address(config, pipeline_id, pipeline_run_id)
    except Exception:  # broad: a secrets backend may raise anything, and the message is useful without the links
        return "", ""
