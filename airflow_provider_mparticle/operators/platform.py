"""The operator that makes any call of the Platform API for the account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.lazy_links import LazyLinks
from airflow_provider_mparticle.operators.masking_operator import MaskingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticlePlatformOperator(MaskingOperator):
    """
    Make any call of the Platform API for the account: accounts, apps, audiences, data points, feeds, services, users.

    ``accountId`` is added from the field ``account_id`` of the Airflow connection. A POST is sent only once, because a
    lost answer does not show whether mParticle has carried it out.

    :param method: ``"GET"``, ``"POST"``, ``"PUT"`` or ``"DELETE"``. Default: ``"GET"``. (templated)
    :param path: Path relative to ``/v1``, for example ``"/apps"``. (templated)
    :param params: Other query parameters. The params of the DAG are not sent. Default: none. (templated)
    :param json: Body of a POST or PUT. Default: none. (templated)
    :param response_filter: Function that receives the field ``data`` of the answer and returns the result of the task.
        Default: the result is ``data``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The field ``data`` of the answer, or what *response_filter* returns.
    :raises AirflowFailException: ``account_id`` is missing, an argument is malformed, or mParticle refused the request.

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
        """Make the call and return the data of the answer."""
        from airflow_provider_mparticle.tasks.platform import platform_request

        return platform_request(self)

    def _own_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Remove the params of the DAG, which Airflow merges into every argument named *params*."""
        dag_params = self.dag.params if self.has_dag() else {}  # type: ignore[no-untyped-call]  # Airflow's
        return {name: params[name] for name in params if name not in dag_params or dag_params[name] != params[name]}
