"""Operators that configure Warehouse Sync: connections, data models, field transformations, pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import ConfigError, NotFoundError
from airflow_provider_mparticle.client.kinds import (
    CONNECTION,
    DATA_MODEL,
    FIELD_TRANSFORMATION,
    KINDS,
    PIPELINE,
    Kind,
)
from airflow_provider_mparticle.ensuring import checked, completed, ensure, update
from airflow_provider_mparticle.failures import failing_by_cause
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators.masking import mask_secrets
from airflow_provider_mparticle.resources import IF_EXISTS, IfExists

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class _ResourceOperator(BaseOperator):
    """What the operators of this module share: the hook, and that secrets are masked before Airflow stores them."""

    mparticle_conn_id: str

    @cached_property
    def _hook(self) -> MParticleHook:
        return MParticleHook(self.mparticle_conn_id)

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render, then mask every secret, before Airflow stores the rendered fields."""
        super().render_template_fields(context, jinja_env)
        mask_secrets({name: getattr(self, name) for name in self.template_fields})


class _CreateOperator(_ResourceOperator):
    """Make sure that a resource is there: the part that does not depend on its kind."""

    kind: ClassVar[Kind[Any]]
    if_exists: IfExists

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, then create the resource or deal with the one that is there."""
        with failing_by_cause():
            if self.if_exists not in IF_EXISTS:
                raise ConfigError(f"if_exists must be one of {', '.join(IF_EXISTS)}, not {self.if_exists!r}.")
            wanted = checked(self.kind, self._description())
            resource, changed = ensure(self._hook, self.kind, wanted, self.if_exists)
        said = f"set {', '.join(changed)}" if changed else "no change"
        self.log.info("%s %r: %s.", self.kind.title.capitalize(), resource.id, said)
        return {self.kind.name: resource.as_dict(), "changed": changed}

    def _description(self) -> dict[str, Any]:
        raise NotImplementedError


class MParticleCreateConnectionOperator(_CreateOperator):
    """
    Make sure that mParticle has a connection to a warehouse, as described.

    mParticle logs in to the warehouse when a connection is created, which can take 10 s.

    :param connection_id: Slug of the connection: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param service_provider: ``"Snowflake"``, ``"BigQuery"``, ``"Redshift"``, or any other that mParticle takes.
        (templated)
    :param config: The provider's fields under mParticle's names. Take secrets from an Airflow connection,
        ``"{{ conn.snowflake.password }}"``: they are masked, and mParticle never shows them again. Whether a secret
        differs therefore cannot be told; it is written along when another field changes. (templated)
    :param state: ``"active"`` or ``"inactive"``. Default: mParticle's. (templated)
    :param write_secrets: With ``if_exists="update"``: write the whole connection even if nothing else differs, for
        a password that was changed. Default: False.
    :param if_exists: ``"fail"`` (default); ``"reuse"`` takes it as it is; ``"update"`` changes what differs.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"connection": {...}, "changed": [...]}``, without secrets.
    :raises AirflowFailException: An argument is malformed, the connection exists and may not, or mParticle refused.

    Source: Warehouse Sync API reference, "Create a connection".
    """

    kind = CONNECTION
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
        mparticle_conn_id: str = MParticleHook.default_conn_name,
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
        result = super().execute(context)
        if self.write_secrets and self.if_exists == "update" and not result["changed"]:
            with failing_by_cause():
                body = {name: value for name, value in checked(self.kind, self._description()).items() if name != "id"}
                self._hook.update_warehouse_connection(self.connection_id, body)
            self.log.info("Connection %r: secrets written.", self.connection_id)
            return {**result, "changed": ["config"]}
        return result

    def _description(self) -> dict[str, Any]:
        return {
            "id": self.connection_id,
            "name": self.name,
            "service_provider": self.service_provider,
            "config": self.config,
            "state": self.state,
        }


class MParticleCreateDataModelOperator(_CreateOperator):
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
    :raises AirflowFailException: An argument is malformed, the data model exists and may not, or mParticle refused.

    Source: Warehouse Sync API reference, "Create a data model".
    """

    kind = DATA_MODEL
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
        mparticle_conn_id: str = MParticleHook.default_conn_name,
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


class MParticleCreateFieldTransformationOperator(_CreateOperator):
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
    :raises AirflowFailException: An argument is malformed, it exists and may not, or mParticle refused.

    Source: Warehouse Sync, "Field transformations".
    """

    kind = FIELD_TRANSFORMATION
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
        mparticle_conn_id: str = MParticleHook.default_conn_name,
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


class MParticleCreatePipelineOperator(_CreateOperator):
    """
    Make sure that a Warehouse Sync pipeline is there, as described.

    Everything is checked before anything is sent. Fields keep mParticle's names.

    :param pipeline_id: Slug of the pipeline: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param connection_id: Slug of the mParticle connection to the warehouse. (templated)
    :param data_model_id: Slug of the data model, the SQL. (templated)
    :param field_transformation_id: Slug of the field transformation. Default: none. (templated)
    :param partner_feed_id: Id of the feed that the rows arrive in. Default: none. (templated)
    :param partner_feed_key: Key of that feed, a secret: take it from an Airflow connection or a secrets backend.
        mParticle shows it masked, so it is written when another field changes, and compared as far as the mask
        lets it be. Default: none. (templated)
    :param sync_mode: ``{"type": "full"}``, or ``{"type": "incremental", "iterator_field": ...,
        "iterator_data_type": ..., "from": ..., "until": ...}``. (templated)
    :param schedule: ``{"type": "on_demand"}``, ``{"type": "interval", "frequency": "hourly", "start": ...}`` or
        ``{"type": "once", ...}``. Frequencies: hourly, daily, weekly, monthly. (templated)
    :param environment: ``"development"`` or ``"production"``. Default: ``"development"``. (templated)
    :param state: ``"active"`` or ``"paused"``. Default: ``"active"``. (templated)
    :param data_plan_id: Data plan that the rows are checked against. Default: none. (templated)
    :param data_plan_version: Version of that data plan. Default: none. (templated)
    :param if_exists: What to do when the pipeline is there already: ``"fail"`` (default); ``"reuse"`` takes it as
        it is; ``"update"`` changes what differs, which never is the type of the sync mode.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``: the pipeline without its secret, and the names of the fields
        that this task has set, all of them when it created the pipeline.
    :raises AirflowFailException: An argument is malformed, the pipeline exists and may not, or mParticle refused.

    Source: Warehouse Sync API reference, "Create a pipeline".
    """

    kind = PIPELINE
    template_fields: Sequence[str] = (
        "pipeline_id",
        "name",
        "connection_id",
        "data_model_id",
        "field_transformation_id",
        "partner_feed_id",
        "partner_feed_key",
        "sync_mode",
        "schedule",
        "environment",
        "state",
        "data_plan_id",
        "data_plan_version",
        "mparticle_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"sync_mode": "json", "schedule": "json"}

    def __init__(
        self,
        *,
        pipeline_id: str,
        name: str,
        connection_id: str,
        data_model_id: str,
        sync_mode: Mapping[str, Any],
        schedule: Mapping[str, Any],
        field_transformation_id: str | None = None,
        partner_feed_id: int | str | None = None,
        partner_feed_key: str | None = None,
        environment: str = "development",
        state: str = "active",
        data_plan_id: str | None = None,
        data_plan_version: int | str | None = None,
        if_exists: IfExists = "fail",
        mparticle_conn_id: str = MParticleHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.name = name
        self.connection_id = connection_id
        self.data_model_id = data_model_id
        self.field_transformation_id = field_transformation_id
        self.partner_feed_id = partner_feed_id
        self.partner_feed_key = partner_feed_key
        self.sync_mode = sync_mode
        self.schedule = schedule
        self.environment = environment
        self.state = state
        self.data_plan_id = data_plan_id
        self.data_plan_version = data_plan_version
        self.if_exists = if_exists
        self.mparticle_conn_id = mparticle_conn_id

    def _description(self) -> dict[str, Any]:
        return {
            "id": self.pipeline_id,
            **{name: getattr(self, name) for name in PIPELINE.writable},
        }


class MParticleUpdatePipelineOperator(_ResourceOperator):
    """
    Change fields of a pipeline that is there.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param fields: The fields to change under mParticle's names; any but the type of the sync mode. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``; nothing is sent if nothing differs.
    :raises AirflowFailException: There is no such pipeline, a field is malformed, or mParticle refused.

    Source: Warehouse Sync API reference, "Update a pipeline".
    """

    template_fields: Sequence[str] = ("pipeline_id", "fields", "mparticle_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"fields": "json"}

    def __init__(
        self,
        *,
        pipeline_id: str,
        fields: Mapping[str, Any],
        mparticle_conn_id: str = MParticleHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.fields = fields
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the pipeline, and change what differs with one request."""
        return _change_pipeline(self, self.fields)


class MParticlePausePipelineOperator(_ResourceOperator):
    """
    Pause a pipeline, so that mParticle starts no run of it. A run in progress goes on.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``; nothing is sent if it is paused already.
    :raises AirflowFailException: There is no such pipeline, or mParticle refused.

    Source: Warehouse Sync API reference, "Update a pipeline": another *state* is the only way.
    """

    template_fields: Sequence[str] = ("pipeline_id", "mparticle_conn_id")
    _state: ClassVar[str] = "paused"

    def __init__(
        self, *, pipeline_id: str, mparticle_conn_id: str = MParticleHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the pipeline its state, if it has another."""
        return _change_pipeline(self, {"state": self._state})


class MParticleResumePipelineOperator(MParticlePausePipelineOperator):
    """
    Resume a paused pipeline.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``; nothing is sent if it is active already.
    :raises AirflowFailException: There is no such pipeline, or mParticle refused.
    """

    _state: ClassVar[str] = "active"


class MParticleDeleteResourceOperator(_ResourceOperator):
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
        mparticle_conn_id: str = MParticleHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.resource_id = resource_id
        self.missing_ok = missing_ok
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> bool:
        """Delete it."""
        with failing_by_cause():
            try:
                self._hook.send(endpoints.delete_resource(self._kind(), self.resource_id))
            except NotFoundError as error:
                if not self.missing_ok:
                    raise
                self.log.info("%s That is fine with missing_ok=True.", error)
                return False
        return True

    def _kind(self) -> Kind[Any]:
        kinds = {kind.name: kind for kind in KINDS}
        if self.kind not in kinds:
            raise ConfigError(f"kind must be one of {', '.join(kinds)}, not {self.kind!r}. Nothing was sent.")
        return kinds[self.kind]


def _change_pipeline(
    operator: MParticleUpdatePipelineOperator | MParticlePausePipelineOperator, fields: Mapping[str, Any]
) -> dict[str, Any]:
    with failing_by_cause():
        hook = MParticleHook(operator.mparticle_conn_id)
        have = hook.get_pipeline(operator.pipeline_id)
        wanted = checked(PIPELINE, {"id": operator.pipeline_id, **completed(have, fields)}, is_whole=False)
        pipeline, changed = update(hook, PIPELINE, have, wanted)
    operator.log.info("Pipeline %r: %s.", pipeline.id, f"set {', '.join(changed)}" if changed else "no change")
    return {"pipeline": pipeline.as_dict(), "changed": changed}
