"""The operator for any account-scoped call of the Platform API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.lazy_links import LazyLinks

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticlePlatformOperator(BaseOperator):
    """
    Make any account-scoped call of the Platform API: accounts, apps, audiences, data points, feeds, services, users.

    ``accountId`` is added from the Airflow connection's ``account_id``. A POST is sent once: whether one whose answer
    was lost has been carried out, mParticle cannot be asked in general.

    :param method: ``"GET"``, ``"POST"``, ``"PUT"`` or ``"DELETE"``. Default: ``"GET"``. (templated)
    :param path: Path below ``/v1``, for example ``"/apps"``. (templated)
    :param params: Further query parameters; the params of the DAG are none of them. Default: none. (templated)
    :param json: Body of a POST or PUT. Default: none. (templated)
    :param response_filter: Takes the answer's ``data`` and returns what the task returns. Default: all of it.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The answer's ``data``, out of its envelope, or what *response_filter* makes of it.
    :raises AirflowFailException: ``account_id`` is missing, an argument is malformed, or mParticle refused.

    Source: Platform API overview.
    """

    operator_extra_links = LazyLinks()
    template_fields: Sequence[str] = ("method", "path", "query", "json", "mparticle_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"query": "json", "json": "json"}

    def __init__(
        self,
        *,
        path: str,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        response_filter: Callable[[Any], Any] | None = None,
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.path = path
        self.query = self._own_params(params or {})
        self.json = json
        self.response_filter = response_filter
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> Any:
        """Make the call."""
        from airflow_provider_mparticle.tasks.platform import platform_request

        return platform_request(
            self.mparticle_conn_id, self.method, self.path, self.query, self.json, self.response_filter
        )

    def _own_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Take the DAG's params out again, which Airflow merges into every operator's argument of that name."""
        dag_params = self.dag.params if self.has_dag() else {}  # type: ignore[no-untyped-call]  # Airflow's
        return {name: params[name] for name in params if name not in dag_params or dag_params[name] != params[name]}
