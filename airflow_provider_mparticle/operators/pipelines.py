"""The operators that create, change, pause and resume a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.operator_arguments import check_word
from airflow_provider_mparticle.operators.resources import CreateResourceOperator, ResourceOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.configuration.resource_rules import IfExists


class MParticleCreatePipelineOperator(CreateResourceOperator):
    """
    Make sure that a Warehouse Sync pipeline exists and is as described.

    All arguments are checked before the first request. They have the names of mParticle's fields.

    :param pipeline_id: Slug of the pipeline: letters, digits, ``-`` and ``_``. (templated)
    :param name: Name shown in mParticle. (templated)
    :param connection_id: Slug of the mParticle connection to the warehouse. (templated)
    :param data_model_id: Slug of the data model, which contains the SQL. (templated)
    :param field_transformation_id: Slug of the field transformation. Default: none. (templated)
    :param partner_feed_id: Id of the feed that receives the rows. Default: none. (templated)
    :param partner_feed_key: Key of that feed, a secret. Take it from an Airflow connection or a secrets backend.
        mParticle shows it masked, so it is compared only with the visible characters, and written again whenever
        another field changes. Default: none. (templated)
    :param sync_mode: ``{"type": "full"}``, or ``{"type": "incremental", "iterator_field": ...,
        "iterator_data_type": ..., "from": ..., "until": ...}``. (templated)
    :param schedule: ``{"type": "on_demand"}``, ``{"type": "interval", "frequency": "hourly", "start": ...}`` or
        ``{"type": "once", ...}``. Frequencies: hourly, daily, weekly, monthly. (templated)
    :param environment: ``"development"`` or ``"production"``. Default: ``"development"``. (templated)
    :param state: ``"active"`` or ``"paused"``. Default: ``"active"``. (templated)
    :param data_plan_id: Id of the data plan that mParticle validates the rows with. Default: none. (templated)
    :param data_plan_version: Version of that data plan. Default: none. (templated)
    :param if_exists: What to do if the pipeline already exists: ``"fail"`` (default); ``"reuse"`` keeps it unchanged;
        ``"update"`` changes the fields that differ, except the type of the sync mode.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``: the pipeline without its secret, and the names of the fields
        that this task has set. A task that created the pipeline has set all of them.
    :raises ConfigError: When Airflow parses the DAG file: *if_exists* is another word.
    :raises AirflowFailException: An argument is malformed, the pipeline exists and *if_exists* is ``"fail"``, or
        mParticle refused the request.

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
        check_word(self, "if_exists")

    def _description(self) -> dict[str, Any]:
        from airflow_provider_mparticle.client.resource_kinds import PIPELINE

        return {
            "id": self.pipeline_id,
            **{name: getattr(self, name) for name in PIPELINE.writable},
        }


class MParticleUpdatePipelineOperator(ResourceOperator):
    """
    Change fields of an existing pipeline.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param fields: The fields to change, with mParticle's names. The type of the sync mode cannot be changed.
        (templated)
    :param partner_feed_key: Key of the pipeline's feed, a secret. Take it from an Airflow connection or a secrets
        backend. mParticle shows the key masked, and may drop it if the pipeline is written without it. So the key is
        required to change a pipeline that has one. Default: none. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``. If no field differs, the pipeline is not written.
    :raises AirflowFailException: The pipeline does not exist, a field is malformed, the key of its feed is missing, or
        mParticle refused the request.

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
        """Read the pipeline, and change the fields that differ with one request."""
        from airflow_provider_mparticle.tasks.resources import change_pipeline

        return change_pipeline(self, self.fields)


class MParticlePausePipelineOperator(ResourceOperator):
    """
    Pause a pipeline, so that mParticle does not start runs of it. A run in progress continues.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param partner_feed_key: Key of the pipeline's feed, a secret. Take it from an Airflow connection or a secrets
        backend. mParticle shows the key masked, and may drop it if the pipeline is written without it. So the key is
        required to change a pipeline that has one. Default: none. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``. If the pipeline is already paused, it is not written.
    :raises AirflowFailException: The pipeline does not exist, the key of its feed is missing, or mParticle refused the
        request.

    Source: Warehouse Sync API reference, "Update a pipeline". The field *state* is the only way to pause a pipeline.
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
        """Change the state of the pipeline if it differs."""
        from airflow_provider_mparticle.tasks.resources import change_pipeline

        return change_pipeline(self, {"state": self._state})


class MParticleResumePipelineOperator(MParticlePausePipelineOperator):
    """
    Resume a paused pipeline.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param partner_feed_key: Key of the pipeline's feed, a secret. Take it from an Airflow connection or a secrets
        backend. mParticle shows the key masked, and may drop it if the pipeline is written without it. So the key is
        required to change a pipeline that has one. Default: none. (templated)
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"pipeline": {...}, "changed": [...]}``. If the pipeline is already active, it is not written.
    :raises AirflowFailException: The pipeline does not exist, the key of its feed is missing, or mParticle refused the
        request.
    """

    _state: ClassVar[str] = "active"
