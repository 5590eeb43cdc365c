"""
Send a message when a sync fails, with the pipeline, the run, mParticle's own words, and links.

`on_failure_callback` accepts a function or a notifier. The Airflow providers for Slack, e-mail and PagerDuty have
notifiers, whose text can be `str(failure_of(context))`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, BaseNotifier

from airflow_provider_mparticle.notifications import failure_of
from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


# [START alert]
def page_the_team(context: Context) -> None:
    """Choose the team by the kind of the failure: a failed run and a wrong password need different people."""
    failure = failure_of(context)
    team = "data owners" if failure.kind in ("RunFailedError", "DataGateError") else "platform"
    print(f"To {team}: {failure}")


class PrintNotifier(BaseNotifier):
    """Print a message. Your own notifier would send it."""

    def notify(self, context: Any) -> None:
        """Send the message."""
        print(failure_of(context))


with DAG(
    "mparticle_alert_on_failure",
    description="Send a message when a sync fails",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    doc_md=__doc__,
    tags=["mparticle"],
) as dag:
    MParticleTriggerPipelineOperator(
        task_id="sync_payments",
        pipeline_id="payments",
        deferrable=True,
        max_failed_ratio=0.01,
        on_failure_callback=[page_the_team, PrintNotifier()],
    )
# [END alert]
