"""The operators for connections, data models and field transformations, and the base classes of resource operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.lazy_links import LazyLinks
from airflow_provider_mparticle.operators.masking_operator import MaskingOperator
from airflow_provider_mparticle.operators.operator_arguments import check_word

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.configuration.resource_rules import IfExists


class ResourceOperator(MaskingOperator):
    """The base of all operators for resources."""

    operator_extra_links = LazyLinks()
    mparticle_conn_id: str


class CreateResourceOperator(ResourceOperator):
    """The base of the operators that make sure that a resource exists, one for each kind."""

    kind: str
    if_exists: IfExists

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, then create the resource, or do with the existing one what *if_exists* says."""
        from airflow_provider_mparticle.tasks.resources import ensure_resource

        return ensure_resource(self, self._description())

    def _description(self) -> dict[str, Any]:
        raise NotImplementedError


class MParticleCreateConnectionOperator(CreateResourceOperator):
    """
    Make sure that mParticle has a connection to a warehouse as described.

    mParticle logs in to the warehouse when it creates a connection. That can take 10 s.

    :param connection_id: Slug of the connection: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param service_provider: ``"Snowflake"``, ``"BigQuery"``, ``"Redshift"``, or another provider that mParticle
        accepts. (templated)
    :param config: The fields of the provider, with mParticle's names. Take secrets from an Airflow connection, for
        example ``"{{ conn.snowflake.password }}"``, so that they are masked. mParticle never shows a secret, so a
        different secret cannot be detected. It is written together with any other change. (templated)
    :param state: ``"active"`` or ``"inactive"``. Default: mParticle's. (templated)
    :param write_secrets: Whether to write the connection even if no visible field differs, for a changed password.
        Needs ``if_exists="update"``. Default: False.
    :param if_exists: What to do if it already exists: ``"fail"`` (default); ``"reuse"`` keeps it unchanged;
        ``"update"`` changes the fields that differ.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"connection": {...}, "changed": [...]}``, without secrets.
    :raises ConfigError: When Airflow parses the DAG file: *if_exists* is another word.
    :raises AirflowFailException: An argument is malformed, the connection exists and *if_exists* is ``"fail"``, or
        mParticle refused the request.

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
        check_word(self, "if_exists")

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, then create the connection, or do with the existing one what *if_exists* says."""
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
    Make sure that a data model exists and is as described.

    If the package's extra ``sql`` (sqlglot) is installed, the query is checked before it is sent.

    :param data_model_id: Slug of the data model: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param sql_query: The query, or a path to a ``.sql`` file with it: one SELECT with fully qualified tables and at
        most 100 columns. (templated)
    :param if_exists: What to do if it already exists: ``"fail"`` (default); ``"reuse"`` keeps it unchanged;
        ``"update"`` changes the fields that differ.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"data_model": {...}, "changed": [...]}``.
    :raises ConfigError: When Airflow parses the DAG file: *if_exists* is another word.
    :raises AirflowFailException: An argument is malformed, the data model exists and *if_exists* is ``"fail"``, or
        mParticle refused the request.

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
        check_word(self, "if_exists")

    def _description(self) -> dict[str, Any]:
        return {"id": self.data_model_id, "name": self.name, "config": {"sql_query": self.sql_query}}


class MParticleCreateFieldTransformationOperator(CreateResourceOperator):
    """
    Make sure that a field transformation exists and is as described.

    :param field_transformation_id: Slug of the field transformation: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param mappings: Any number of ``{"mapping_type": "column", "source": ..., "destination": ...}``,
        ``{"mapping_type": "static", "destination": ..., "value": ...}`` and
        ``{"mapping_type": "ignore", "source": ...}``. (templated)
    :param destination_type: What the rows become. Default: ``"event_batch"``, the only documented type. (templated)
    :param if_exists: What to do if it already exists: ``"fail"`` (default); ``"reuse"`` keeps it unchanged;
        ``"update"`` changes the fields that differ.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"field_transformation": {...}, "changed": [...]}``.
    :raises ConfigError: When Airflow parses the DAG file: *if_exists* is another word.
    :raises AirflowFailException: An argument is malformed, the field transformation exists and *if_exists* is
        ``"fail"``, or mParticle refused the request.

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
        check_word(self, "if_exists")

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
    :param resource_id: Slug of the resource. (templated)
    :param missing_ok: Whether the task succeeds if the resource does not exist. Default: True.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: Whether the resource existed.
    :raises ConfigError: When Airflow parses the DAG file: *kind* is another word.
    :raises AirflowFailException: The resource does not exist and *missing_ok* is False, or mParticle refused the
        request, for example because another resource refers to it.

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
        check_word(self, "kind")

    def execute(self, context: Context) -> bool:
        """Delete the resource."""
        from airflow_provider_mparticle.tasks.resources import delete_resource

        return delete_resource(self)
