"""The operators for connections, data models and field transformations, and what all resource operators share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.lazy_links import LazyLinks

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.configuration.resource_rules import IfExists


class ResourceOperator(BaseOperator):
    """Masks secrets before Airflow stores them; the base of all operators for resources."""

    operator_extra_links = LazyLinks()
    mparticle_conn_id: str

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render, then mask every secret, before Airflow stores the rendered fields."""
        super().render_template_fields(context, jinja_env)
        from airflow_provider_mparticle.tasks.resources import mask_secrets

        mask_secrets({name: getattr(self, name) for name in self.template_fields})


class CreateResourceOperator(ResourceOperator):
    """Makes sure that a resource exists; the base of the operators for each kind."""

    kind: str
    if_exists: IfExists

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, then create the resource or deal with the one that is there."""
        from airflow_provider_mparticle.tasks.resources import ensure_resource

        return ensure_resource(self, self._description())

    def _description(self) -> dict[str, Any]:
        raise NotImplementedError


class MParticleCreateConnectionOperator(CreateResourceOperator):
    """
    Make sure that mParticle has a connection to a warehouse, as described.

    mParticle logs in to the warehouse when a connection is created, which can take 10 s.

    :param connection_id: Slug of the connection: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param service_provider: ``"Snowflake"``, ``"BigQuery"``, ``"Redshift"``, or any other that mParticle takes.
        (templated)
    :param config: The provider's fields under mParticle's names. Take secrets from an Airflow connection,
        ``"{{ conn.snowflake.password }}"``: they are masked, and mParticle never shows them again. Whether a secret
        differs therefore cannot be seen; it is written with any other change. (templated)
    :param state: ``"active"`` or ``"inactive"``. Default: mParticle's. (templated)
    :param write_secrets: With ``if_exists="update"``: write the whole connection even if nothing else differs, for
        a password that was changed. Default: False.
    :param if_exists: ``"fail"`` (default); ``"reuse"`` takes it as it is; ``"update"`` changes what differs.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"connection": {...}, "changed": [...]}``, without secrets.
    :raises AirflowFailException: An argument is malformed, the connection exists and must not, or mParticle refused.

    Source: Warehouse Sync API reference, "Create a connection".
    """

    kind = "connection"
    template_fields: Sequence[str] = (
        "connection_id",
        "name",
        "service_provider",
        "config",
        "state",
        "mparticle_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"config": "json"}

    def __init__(
        self,
        *,
        connection_id: str,
        name: str,
        service_provider: str,
        config: Mapping[str, Any],
        state: str | None = None,
        write_secrets: bool = False,
        if_exists: IfExists = "fail",
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connection_id = connection_id
        self.name = name
        self.service_provider = service_provider
        self.config = config
        self.state = state
        self.write_secrets = write_secrets
        self.if_exists = if_exists
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, then create the connection or deal with the one that is there."""
        from airflow_provider_mparticle.tasks.resources import ensure_connection

        return ensure_connection(self, self._description())

    def _description(self) -> dict[str, Any]:
        return {
            "id": self.connection_id,
            "name": self.name,
            "service_provider": self.service_provider,
            "config": self.config,
            "state": self.state,
        }


class MParticleCreateDataModelOperator(CreateResourceOperator):
    """
    Make sure that a data model is there, as described.

    With the extra ``sql`` (sqlglot) the query is checked before it is sent.

    :param data_model_id: Slug of the data model: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param sql_query: The query, or a path to a ``.sql`` file: one SELECT, tables fully qualified, at most 100 columns.
        (templated)
    :param if_exists: ``"fail"`` (default); ``"reuse"`` takes it as it is; ``"update"`` changes what differs.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"data_model": {...}, "changed": [...]}``.
    :raises AirflowFailException: An argument is malformed, the data model exists and must not, or mParticle refused.

    Source: Warehouse Sync API reference, "Create a data model".
    """

    kind = "data_model"
    template_fields: Sequence[str] = ("data_model_id", "name", "sql_query", "mparticle_conn_id")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql_query": "sql"}

    def __init__(
        self,
        *,
        data_model_id: str,
        name: str,
        sql_query: str,
        if_exists: IfExists = "fail",
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data_model_id = data_model_id
        self.name = name
        self.sql_query = sql_query
        self.if_exists = if_exists
        self.mparticle_conn_id = mparticle_conn_id

    def _description(self) -> dict[str, Any]:
        return {"id": self.data_model_id, "name": self.name, "config": {"sql_query": self.sql_query}}


class MParticleCreateFieldTransformationOperator(CreateResourceOperator):
    """
    Make sure that a field transformation is there, as described.

    :param field_transformation_id: Slug: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param mappings: Any number of ``{"mapping_type": "column", "source": ..., "destination": ...}``,
        ``{"mapping_type": "static", "destination": ..., "value": ...}`` and
        ``{"mapping_type": "ignore", "source": ...}``. (templated)
    :param destination_type: What the rows become. Default: ``"event_batch"``, the only one documented. (templated)
    :param if_exists: ``"fail"`` (default); ``"reuse"`` takes it as it is; ``"update"`` changes what differs.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"field_transformation": {...}, "changed": [...]}``.
    :raises AirflowFailException: An argument is malformed, it exists and must not, or mParticle refused.

    Source: Warehouse Sync, "Field transformations".
    """

    kind = "field_transformation"
    template_fields: Sequence[str] = (
        "field_transformation_id",
        "name",
        "mappings",
        "destination_type",
        "mparticle_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"mappings": "json"}

    def __init__(
        self,
        *,
        field_transformation_id: str,
        name: str,
        mappings: Sequence[Mapping[str, Any]],
        destination_type: str = "event_batch",
        if_exists: IfExists = "fail",
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.field_transformation_id = field_transformation_id
        self.name = name
        self.mappings = mappings
        self.destination_type = destination_type
        self.if_exists = if_exists
        self.mparticle_conn_id = mparticle_conn_id

    def _description(self) -> dict[str, Any]:
        return {
            "id": self.field_transformation_id,
            "name": self.name,
            "mappings": self.mappings,
            "destination_type": self.destination_type,
        }


class MParticleDeleteResourceOperator(ResourceOperator):
    """
    Delete a connection, data model, field transformation or pipeline.

    :param kind: ``"connection"``, ``"data_model"``, ``"field_transformation"`` or ``"pipeline"``.
    :param resource_id: Its slug. (templated)
    :param missing_ok: Whether it is fine that there is none. Default: True.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: Whether there was one to delete.
    :raises AirflowFailException: There is none and that is not fine, or mParticle refused, for instance because
        something else refers to it.

    Source: Warehouse Sync API reference, "Delete a ...".
    """

    template_fields: Sequence[str] = ("resource_id", "mparticle_conn_id")

    def __init__(
        self,
        *,
        kind: str,
        resource_id: str,
        missing_ok: bool = True,
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.resource_id = resource_id
        self.missing_ok = missing_ok
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> bool:
        """Delete it."""
        from airflow_provider_mparticle.tasks.resources import delete_resource

        return delete_resource(self)
