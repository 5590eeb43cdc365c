"""The operators that create a pipeline, change it, pause it and resume it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.resources import CreateResourceOperator, ResourceOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.configuration.resource_rules import IfExists


class MParticleCreatePipelineOperator(CreateResourceOperator):
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
        it is; ``"update"`` changes what differs, but never the type of the sync mode.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``: the pipeline without its secret, and the names of the fields
        that this task has set, all of them when it created the pipeline.
    :raises AirflowFailException: An argument is malformed, the pipeline exists and must not, or mParticle refused.

    Source: Warehouse Sync API reference, "Create a pipeline".
    """

    kind = "pipeline"
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
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
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
        from airflow_provider_mparticle.client.resource_kinds import PIPELINE

        return {
            "id": self.pipeline_id,
            **{name: getattr(self, name) for name in PIPELINE.writable},
        }


class MParticleUpdatePipelineOperator(ResourceOperator):
    """
    Change fields of a pipeline that is there.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param fields: The fields to change under mParticle's names; any but the type of the sync mode. (templated)
    :param partner_feed_key: Key of the pipeline's feed, a secret. mParticle shows it masked, and may drop it when the
        pipeline is written without it; so a pipeline that has one is only changed if the key is given. Take it from
        an Airflow connection or a secrets backend. Default: none. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``; nothing is sent if nothing differs.
    :raises AirflowFailException: There is no such pipeline, a field is malformed, its feed's key is not given, or
        mParticle refused.

    Source: Warehouse Sync API reference, "Update a pipeline".
    """

    template_fields: Sequence[str] = ("pipeline_id", "fields", "partner_feed_key", "mparticle_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"fields": "json"}

    def __init__(
        self,
        *,
        pipeline_id: str,
        fields: Mapping[str, Any],
        partner_feed_key: str | None = None,
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.fields = fields
        self.partner_feed_key = partner_feed_key
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the pipeline, and change what differs with one request."""
        from airflow_provider_mparticle.tasks.resources import change_pipeline

        return change_pipeline(self, self.fields)


class MParticlePausePipelineOperator(ResourceOperator):
    """
    Pause a pipeline, so that mParticle starts no run of it. A run in progress goes on.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param partner_feed_key: Key of the pipeline's feed, a secret. mParticle shows it masked, and may drop it when the
        pipeline is written without it; so a pipeline that has one is only changed if the key is given. Take it from
        an Airflow connection or a secrets backend. Default: none. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``; nothing is sent if it is paused already.
    :raises AirflowFailException: There is no such pipeline, its feed's key is not given, or mParticle refused.

    Source: Warehouse Sync API reference, "Update a pipeline": another *state* is the only way.
    """

    template_fields: Sequence[str] = ("pipeline_id", "partner_feed_key", "mparticle_conn_id")
    _state: ClassVar[str] = "paused"

    def __init__(
        self,
        *,
        pipeline_id: str,
        partner_feed_key: str | None = None,
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.partner_feed_key = partner_feed_key
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the pipeline its state, if it has another."""
        from airflow_provider_mparticle.tasks.resources import change_pipeline

        return change_pipeline(self, {"state": self._state})


class MParticleResumePipelineOperator(MParticlePausePipelineOperator):
    """
    Resume a paused pipeline.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param partner_feed_key: Key of the pipeline's feed, a secret. mParticle shows it masked, and may drop it when the
        pipeline is written without it; so a pipeline that has one is only changed if the key is given. Take it from
        an Airflow connection or a secrets backend. Default: none. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``; nothing is sent if it is active already.
    :raises AirflowFailException: There is no such pipeline, its feed's key is not given, or mParticle refused.
    """

    _state: ClassVar[str] = "active"
