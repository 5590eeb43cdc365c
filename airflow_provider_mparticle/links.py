"""The links of a task in Airflow's UI: to mParticle's web app, and to its run in mParticle's API."""

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
    The link to mParticle's web app.

    mParticle does not document the address of a pipeline. So the link leads to the start page of the connection's pod,
    or to the address in the connection's field ``app_link``, which may be the pipeline's.
    """

    name = "mParticle web app"
    xcom_key = "mparticle_pipeline_link"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or an empty text if it is unknown."""
        return _pushed(self.xcom_key, ti_key) or _from_connection(operator)


class RunLink(BaseOperatorLink):
    """The link to the run in mParticle's API, which answers only requests with a token."""

    name = "mParticle run (API, needs a token)"
    xcom_key = "mparticle_run_link"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or an empty text until the run exists."""
        return _pushed(self.xcom_key, ti_key)


def pipeline_address(config: ApiConfig, pipeline_id: str | None) -> str:
    """Return the address of a pipeline in mParticle's web app, or of the web app itself without a pipeline."""
    from airflow_provider_mparticle.client.config import web_app
    from airflow_provider_mparticle.client.paths import fill_path

    if not pipeline_id:
        return web_app(config.app_link)
    return fill_path(config.app_link, {"workspace_id": config.workspace_id, "pipeline_id": pipeline_id})


def known_id(given: Any) -> str | None:
    """Return the id that a task has as an argument, or None if that is a template or a result that is not known yet."""
    from airflow_provider_mparticle.client.storable import exact_text

    if isinstance(given, bool) or not isinstance(given, str | int):
        return None
    text = exact_text(given).strip()
    return None if not text or "{{" in text or "{%" in text else text


def run_address(config: ApiConfig, pipeline_id: str, pipeline_run_id: RunId) -> str:
    """Return the address of a run in mParticle's API."""
    from airflow_provider_mparticle.client import endpoints
    from airflow_provider_mparticle.client.exchange import url_of

    return url_of(endpoints.get_pipeline_run(pipeline_id, pipeline_run_id), config)


def _pushed(key: Any, ti_key: TaskInstanceKey) -> str:
    from airflow.providers.common.compat.sdk import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""


def _from_connection(operator: Any) -> str:
    """Read the Airflow connection and return the address, for a task that has not pushed it."""
    from airflow_provider_mparticle.hooks import MParticleHook

    try:
        config = MParticleHook(operator.mparticle_conn_id).get_conn().config
        return pipeline_address(config, known_id(getattr(operator, "pipeline_id", None)))
    except Exception:  # broad: a secrets backend may raise anything, and a link must not break the page of a task
        return ""
