"""
Sync three pipelines each day, two at a time, then audit what has happened, and send an alert if something is wrong.

`audit` compares the runs that mParticle lists with the results of the tasks. `plan` and `find_drift` compare the
workspace with a document and change nothing. Every task that fails sends an alert.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task

from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.notifications import failure_of
from airflow_provider_mparticle.operators import MParticleApplyOperator
from airflow_provider_mparticle.task_groups import mparticle_sync_group

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

PIPELINES = ["accounts", "visits", "surveys"]
# What the workspace should have; `airflow mparticle export` prints this for yours.
DOCUMENT = {
    "pipelines": [
        {
            "id": pipeline_id,
            "name": pipeline_id.capitalize(),
            "connection_id": "warehouse",
            "data_model_id": f"{pipeline_id}-model",
            "sync_mode": {"type": "full"},
            "schedule": {"type": "on_demand"},
            "state": "active",
        }
        for pipeline_id in PIPELINES
    ]
}


def alert(context: Context) -> None:
    """Print a message. Yours would send it."""
    print(failure_of(context))


# [START audit]
@task(trigger_rule="all_done")  # also if a pipeline has failed
def audit(**context: Any) -> list[dict[str, Any]]:
    """Return the runs that are not ours. Fail if a pipeline has no successful run that is ours."""
    results = context["ti"].xcom_pull(task_ids=["mparticle_sync.sync"])
    ours = {result["pipeline_id"]: result["pipeline_run_id"] for result in results if result}
    since = context["dag_run"].start_date - timedelta(minutes=1)  # the clocks may differ
    missing, others = [], []
    for pipeline_id in PIPELINES:
        runs = MParticleHook().list_pipeline_runs(pipeline_id, since=since)
        own = [run for run in runs if run.is_run(ours.get(pipeline_id))]
        others += [run.as_dict() for run in runs if run not in own]
        if not any(run.progress is Progress.SUCCEEDED for run in own):
            missing.append(pipeline_id)
    print(f"Runs since {since} that are not the result of a task: {others}")
    if missing:
        raise AirflowFailException(f"Without a successful run of this DAG run: {', '.join(missing)}.")
    return others


# [END audit]


# [START find_drift]
@task
def find_drift(planned: dict[str, Any]) -> None:
    """Fail if the workspace differs from the document, and say who changed each pipeline last."""
    if planned["changed"]:
        last = {one.id: f"{one.last_modified_by}, {one.last_modified_on}" for one in MParticleHook().list_pipelines()}
        changes = [step for step in planned["steps"] if step["action"] != "unchanged"]
        drift = [f"{step['action']} {step['kind']} {step['id']} (last: {last.get(step['id'])})" for step in changes]
        raise AirflowFailException(f"The workspace differs from the document. To be equal, it needs: {drift}")


# [END find_drift]

with DAG(
    "mparticle_daily_sync_with_audit",
    description="Sync three pipelines each day, audit the runs, find drift, send alerts",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": alert},
    doc_md=__doc__,
    tags=["mparticle"],
) as dag:
    # [START daily]
    sync = mparticle_sync_group(PIPELINES, max_active=2, deferrable=True, if_running="wait", retries=2)
    sync >> audit()
    plan = MParticleApplyOperator(task_id="plan", spec=DOCUMENT, dry_run=True)
    find_drift(plan.output)
    # [END daily]
