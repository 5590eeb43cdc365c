"""The links of a task in Airflow's UI: its pipeline in mParticle's web app, and its run in mParticle's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.models import RunId


class PipelineLink(BaseOperatorLink):
    """
    The pipeline in mParticle's web app.

    mParticle documents no address of a pipeline, so the link leads to the web app of the connection's pod, or to what
    the connection's ``app_link`` says.
    """

    name = "mParticle pipeline"
    xcom_key = "mparticle_pipeline_link"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or an empty text where it is not known."""
        return _pushed(self.xcom_key, ti_key) or _from_connection(operator)


class RunLink(BaseOperatorLink):
    """The run in mParticle's API; it answers only to a request with a token."""

    name = "mParticle run (API)"
    xcom_key = "mparticle_run_link"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or an empty text as long as there is no run."""
        return _pushed(self.xcom_key, ti_key)


def pipeline_address(config: ApiConfig, pipeline_id: str | None) -> str:
    """Return the address of a pipeline in mParticle's web app, or of the web app if there is no pipeline."""
    from airflow_provider_mparticle.client.config import web_app
    from airflow_provider_mparticle.client.paths import fill_path

    if not pipeline_id:
        return web_app(config.app_link)
    return fill_path(config.app_link, {"workspace_id": config.workspace_id, "pipeline_id": pipeline_id})


def run_address(config: ApiConfig, pipeline_id: str, pipeline_run_id: RunId) -> str:
    """Return the address of a run in mParticle's API."""
    from airflow_provider_mparticle.client import endpoints
    from airflow_provider_mparticle.client.exchange import url_of

    return url_of(endpoints.get_pipeline_run(pipeline_id, pipeline_run_id), config)


def _pushed(key: Any, ti_key: TaskInstanceKey) -> str:
    from airflow.providers.common.compat.sdk import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""


def _from_connection(operator: Any) -> str:
    """Return the address by reading the connection, for a task that has not pushed it; a link must not fail a task."""
    from airflow_provider_mparticle.hooks import MParticleHook

    try:
        config = MParticleHook(operator.mparticle_conn_id).get_conn().config
        return pipeline_address(config, getattr(operator, "pipeline_id", None))
    except Exception:  # whatever a secrets backend raises
        return ""
