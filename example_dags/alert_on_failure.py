"""
Say what happened when a sync fails: which pipeline, which run, mParticle's own words, and where to look.

`on_failure_callback` takes a function or a notifier; Slack, e-mail and PagerDuty have notifiers of their own providers,
whose text can be `str(failure_of(context))`.
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
    """Act on the kind of the failure: a run that failed is not the same as a wrong password."""
    failure = failure_of(context)
    team = "data owners" if failure.kind in ("RunFailedError", "DataGateError") else "platform"
    print(f"To {team}: {failure}")


class PrintNotifier(BaseNotifier):
    """Print a message; a notifier of your own sends it."""

    def notify(self, context: Any) -> None:
        """Send the message."""
        print(failure_of(context))


with DAG(
    "mparticle_alert_on_failure",
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
