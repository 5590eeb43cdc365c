"""
The hook: calls mParticle's Warehouse Sync API and Platform API with the credentials of an Airflow connection.

Must not know tasks or operators. The methods repeat one short shape on purpose: each can be found by its name, has
types of its own, and shows its documentation in an editor. One test covers the methods of all kinds of resources.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.errors import AuthenticationError, ConfigError
from airflow_provider_mparticle.client.models import (
    Audience,
    DataModel,
    Feed,
    FieldTransformation,
    Pipeline,
    PipelineRun,
    PipelineStatus,
    RunId,
    WarehouseConnection,
    WorkspaceItem,
)
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, DATA_MODEL, FIELD_TRANSFORMATION, PIPELINE
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.storable import Json
from airflow_provider_mparticle.client.timestamps import parse_timestamp
from airflow_provider_mparticle.connection import form
from airflow_provider_mparticle.connection.masking import mask_secret
from airflow_provider_mparticle.connection.reader import api_config, missing_connection
from airflow_provider_mparticle.runs.run_list import runs_since
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.telemetry.metrics import IN_WORKER

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.sync import Client
    from airflow_provider_mparticle.triggerer.shared_client import SharedClient

T = TypeVar("T")


class MParticleHook(BaseHook):
    """
    Call mParticle with the credentials of an Airflow connection of type ``mparticle``.

    If a call fails, the method raises a subclass of
    :class:`~airflow_provider_mparticle.client.errors.MParticleError` that names the cause. While mParticle is
    unreachable, a call is retried if it is safe to send it twice. ``Retry-After`` is obeyed.

    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``.
    """

    conn_name_attr = "mparticle_conn_id"
    default_conn_name = form.DEFAULT_CONN_NAME
    conn_type = form.CONN_TYPE
    hook_name = form.HOOK_NAME

    def __init__(self, mparticle_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mparticle_conn_id = mparticle_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form, for Airflow 2.11 to 3.1."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found, unused-ignore] # in Airflow 2 only
        from wtforms import IntegerField, StringField
        from wtforms.validators import Optional

        class TextWidget(BS3TextFieldWidget):  # type: ignore[misc, unused-ignore] # as above
            """Shows an object as JSON: saving Python's own form of it would make the connection unreadable."""

            def __call__(self, field: Any, **kwargs: Any) -> Any:
                if isinstance(field.data, dict):
                    field.data = json.dumps(field.data)
                return super().__call__(field, **kwargs)

        # No field is required here: in Airflow 2 all connection types share one form, so a required field of ours would
        # block the other types.
        fields = {"integer": IntegerField, "number": StringField, "string": StringField, "object": StringField}
        widgets = {
            name: fields[kind](label=label, validators=[Optional()], widget=TextWidget(), description=meaning)
            for name, (label, kind, meaning) in form.EXTRA_FIELDS.items()
        }
        # Airflow 3.0 and 3.1 replace these classes by their own, which know no types but text and integer. In a text
        # field a stored object would read "[object Object]".
        for name, field in widgets.items():
            if hasattr(field, "param"):
                field.param.schema.update(form.json_schema(name))
        return widgets

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels and placeholders of the connection form, for Airflow 2.11 to 3.1."""
        return {
            "hidden_fields": form.HIDDEN_FIELDS,
            "relabeling": form.RELABELING,
            "placeholders": form.PLACEHOLDERS,
        }

    @cached_property
    def _client(self) -> Client:
        return self._client_for(self._read_config())

    @staticmethod
    def _client_for(config: ApiConfig) -> Client:
        from airflow_provider_mparticle.client.sync import Client

        return Client(config, on_token=mask_secret, on_retry=IN_WORKER.retried)

    def _read_config(self) -> ApiConfig:
        try:
            conn = self.get_connection(self.mparticle_conn_id)
        except AirflowNotFoundException as error:
            raise missing_connection(self.mparticle_conn_id) from error
        return api_config(conn, conn.extra_dejson)

    def get_conn(self) -> Client:
        """
        Return the client that sends calls. The first call of this method reads the Airflow connection.

        :raises ConfigError: The Airflow connection is missing, or one of its fields is missing or malformed.
        """
        return self._client

    @asynccontextmanager
    async def async_client(self) -> AsyncIterator[SharedClient]:
        """
        Provide the asynchronous client that all triggers of this event loop share.

        Use it so: ``async with hook.async_client() as client: await client.send(call)``.
        """
        from airflow_provider_mparticle.triggerer.loading import load

        await load()
        from airflow_provider_mparticle.triggerer.shared_client import shared_client

        async with shared_client(self.mparticle_conn_id) as client:
            yield client

    def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Send a call of :mod:`~airflow_provider_mparticle.client.endpoints`.

        :param call: The call.
        :param retry: Whether to send it again while mParticle is unreachable, if that is safe. Default: True.
        :return: The decoded answer.
        """
        client = self.get_conn()
        try:
            return client.send(call, retry=retry)
        except AuthenticationError as error:
            refused = error
        config = self._read_config()  # the Airflow connection may have new credentials by now
        if not config.has_new_credentials(client.config):
            raise refused
        client.close()
        self._client = self._client_for(config)
        return self._client.send(call, retry=retry)

    def list_warehouse_connections(self, service_provider: str | None = None) -> list[WarehouseConnection]:
        """
        List mParticle's connections to warehouses.

        :param service_provider: List only the connections to this provider, for example ``"Snowflake"``. Default: all.
        """
        params = {"serviceProvider": service_provider} if service_provider else {}
        return self.send(endpoints.list_resources(CONNECTION, params))

    def get_warehouse_connection(self, connection_id: str) -> WarehouseConnection:
        """
        Read one of mParticle's connections to a warehouse, without its secrets.

        The method is not called ``get_connection``, because Airflow's hooks use that name for Airflow connections.

        :param connection_id: Slug of the connection.
        :raises NotFoundError: The workspace does not have it, or the credentials have no access to it.
        """
        return self.send(endpoints.get_resource(CONNECTION, connection_id))

    def create_warehouse_connection(self, connection: Mapping[str, Any]) -> WarehouseConnection:
        """
        Create a connection to a warehouse.

        :param connection: Its fields with mParticle's names; you choose the slug, the field ``id``.
        :raises InvalidRequestError: mParticle refused the fields, or the slug is already used.
        """
        return self.send(endpoints.create_resource(CONNECTION, _with_id(connection)))

    def update_warehouse_connection(self, connection_id: str, connection: Mapping[str, Any]) -> WarehouseConnection:
        """
        Change a connection to a warehouse.

        Send all fields with the secrets. Do not send what you have read, because the secrets are missing there.

        :param connection_id: Slug of the connection.
        :param connection: All fields, with mParticle's names. mParticle does not document whether it keeps a field
            that is not sent.
        """
        return self.send(endpoints.update_resource(CONNECTION, connection_id, _fields(connection)))

    def delete_warehouse_connection(self, connection_id: str) -> None:
        """
        Delete a connection to a warehouse.

        :param connection_id: Slug of the connection.
        """
        self.send(endpoints.delete_resource(CONNECTION, connection_id))

    def list_data_models(self) -> list[DataModel]:
        """List the data models of the workspace."""
        return self.send(endpoints.list_resources(DATA_MODEL))

    def get_data_model(self, data_model_id: str) -> DataModel:
        """
        Read one data model.

        :param data_model_id: Slug of the data model.
        :raises NotFoundError: The workspace does not have it, or the credentials have no access to it.
        """
        return self.send(endpoints.get_resource(DATA_MODEL, data_model_id))

    def create_data_model(self, data_model: Mapping[str, Any]) -> DataModel:
        """
        Create a data model.

        :param data_model: Its fields with mParticle's names; you choose the slug, the field ``id``.
        :raises InvalidRequestError: mParticle refused the fields, or the slug is already used.
        """
        return self.send(endpoints.create_resource(DATA_MODEL, _with_id(data_model)))

    def update_data_model(self, data_model_id: str, data_model: Mapping[str, Any]) -> DataModel:
        """
        Change a data model.

        :param data_model_id: Slug of the data model.
        :param data_model: All fields, with mParticle's names. mParticle does not document whether it keeps a field
            that is not sent.
        """
        return self.send(endpoints.update_resource(DATA_MODEL, data_model_id, _fields(data_model)))

    def delete_data_model(self, data_model_id: str) -> None:
        """
        Delete a data model.

        :param data_model_id: Slug of the data model.
        """
        self.send(endpoints.delete_resource(DATA_MODEL, data_model_id))

    def list_field_transformations(self) -> list[FieldTransformation]:
        """List the field transformations of the workspace."""
        return self.send(endpoints.list_resources(FIELD_TRANSFORMATION))

    def get_field_transformation(self, field_transformation_id: str) -> FieldTransformation:
        """
        Read one field transformation.

        :param field_transformation_id: Slug of the field transformation.
        :raises NotFoundError: The workspace does not have it, or the credentials have no access to it.
        """
        return self.send(endpoints.get_resource(FIELD_TRANSFORMATION, field_transformation_id))

    def create_field_transformation(self, field_transformation: Mapping[str, Any]) -> FieldTransformation:
        """
        Create a field transformation.

        :param field_transformation: Its fields with mParticle's names; you choose the slug, the field ``id``.
        :raises InvalidRequestError: mParticle refused the fields, or the slug is already used.
        """
        return self.send(endpoints.create_resource(FIELD_TRANSFORMATION, _with_id(field_transformation)))

    def update_field_transformation(
        self, field_transformation_id: str, field_transformation: Mapping[str, Any]
    ) -> FieldTransformation:
        """
        Change a field transformation.

        :param field_transformation_id: Slug of the field transformation.
        :param field_transformation: All fields, with mParticle's names. mParticle does not document whether it keeps a
            field that is not sent.
        """
        return self.send(
            endpoints.update_resource(FIELD_TRANSFORMATION, field_transformation_id, _fields(field_transformation))
        )

    def delete_field_transformation(self, field_transformation_id: str) -> None:
        """
        Delete a field transformation.

        :param field_transformation_id: Slug of the field transformation.
        """
        self.send(endpoints.delete_resource(FIELD_TRANSFORMATION, field_transformation_id))

    def list_pipelines(self) -> list[Pipeline]:
        """List the pipelines of the workspace."""
        return self.send(endpoints.list_resources(PIPELINE))

    def get_pipeline(self, pipeline_id: str) -> Pipeline:
        """
        Read one pipeline. Its feed key is masked.

        :param pipeline_id: Slug of the pipeline.
        :raises NotFoundError: The workspace does not have it, or the credentials have no access to it.
        """
        return self.send(endpoints.get_resource(PIPELINE, pipeline_id))

    def create_pipeline(self, pipeline: Mapping[str, Any]) -> Pipeline:
        """
        Create a pipeline.

        :param pipeline: Its fields with mParticle's names; you choose the slug, the field ``id``.
        :raises InvalidRequestError: mParticle refused the fields, or the slug is already used.
        """
        return self.send(endpoints.create_resource(PIPELINE, _with_id(pipeline)))

    def update_pipeline(self, pipeline_id: str, pipeline: Mapping[str, Any]) -> Pipeline:
        """
        Change a pipeline. ``sync_mode.type`` cannot be changed.

        :param pipeline_id: Slug of the pipeline.
        :param pipeline: All fields, with mParticle's names. mParticle does not document whether it keeps a field
            that is not sent.
        """
        return self.send(endpoints.update_resource(PIPELINE, pipeline_id, _fields(pipeline)))

    def delete_pipeline(self, pipeline_id: str) -> None:
        """
        Delete a pipeline.

        :param pipeline_id: Slug of the pipeline.
        """
        self.send(endpoints.delete_resource(PIPELINE, pipeline_id))

    def trigger_pipeline(self, pipeline_id: str) -> RunId | None:
        """
        Start a run. The request is never repeated if mParticle may have received it.

        If the answer is lost, this method cannot say whether a run was started.
        ``MParticleTriggerPipelineOperator`` finds that out.

        :param pipeline_id: Slug of the pipeline.
        :return: Id of the run as mParticle gave it, or None if the answer does not contain it.
        :raises PipelineBusyError: A run is in progress.

        Source: Warehouse Sync API reference, "Trigger an on-demand pipeline".
        """
        return self.send(endpoints.trigger_pipeline(pipeline_id))

    def get_pipeline_status(self, pipeline_id: str) -> PipelineStatus:
        """
        Read the status of a pipeline, with its latest run by logical date.

        :param pipeline_id: Slug of the pipeline.
        :raises NotFoundError: The pipeline does not exist, or was created less than about a minute ago.

        Source: Warehouse Sync API reference, "Get a pipeline's status".
        """
        return self.send(endpoints.get_pipeline_status(pipeline_id))

    def list_pipeline_runs(
        self, pipeline_id: str, *, since: datetime | str | None = None, until: datetime | str | None = None
    ) -> list[PipelineRun]:
        """
        List the runs of a pipeline, oldest first.

        Reads pages of 100 runs, one request each; a year of an hourly pipeline is 88 requests. The list also has runs
        that other clients, people and mParticle's schedule have started. mParticle does not say who started a run: the
        runs of your tasks are those whose ``pipeline_run_id`` is in an XCom.

        :param pipeline_id: Slug of the pipeline.
        :param since: Earliest logical date, inclusive: a datetime, a date or ISO 8601 text. Without a time zone it is
            UTC. Default: all runs.
        :param until: Last logical date, inclusive, in the same forms. Default: all runs.
        :raises ConfigError: *since* or *until* is not an instant.

        Source: Warehouse Sync API reference, "Get the status of all runs".
        """
        bounds = _instant("since", since), _instant("until", until)
        runs = drive(runs_since(pipeline_id, *bounds), self.send, time.sleep)
        return sorted(runs, key=lambda run: run.began.timestamp() if run.began else 0.0)

    def get_pipeline_run(self, pipeline_id: str, pipeline_run_id: RunId) -> PipelineRun:
        """
        Read one run of a pipeline.

        :param pipeline_id: Slug of the pipeline.
        :param pipeline_run_id: Id of the run, as mParticle gave it.

        Source: Warehouse Sync API reference, "Get the status of a specific run".
        """
        return self.send(endpoints.get_pipeline_run(pipeline_id, pipeline_run_id))

    def list_feeds(self) -> list[Feed]:
        """List the feeds of the workspace, for the ``partner_feed_id`` of a pipeline. Needs ``account_id``."""
        return self.send(endpoints.list_feeds(self.get_conn().config.workspace_id))

    def list_workspaces(self) -> list[WorkspaceItem]:
        """List the workspaces of the account. Needs ``account_id``."""
        return self.send(endpoints.list_workspaces())

    def list_audiences(self) -> list[Audience]:
        """List the audiences of the account. Needs ``account_id``."""
        return self.send(endpoints.list_audiences())

    def platform_request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, json: Json = None
    ) -> Json:
        """
        Make any call of the Platform API (v1) for the account. ``accountId`` is added.

        :param method: GET, POST, PUT or DELETE.
        :param path: Path relative to ``/v1``, for example ``"/apps"``.
        :param params: Other query parameters. Default: none.
        :param json: Body of a POST or PUT. Default: none.
        :return: The field ``data`` of the answer, or None if the answer is empty.

        Source: Platform API overview.
        """
        return self.send(endpoints.request(method, path, Scope.ACCOUNT, params, json))

    def workspace_request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, json: Json = None
    ) -> Json:
        """
        Make any call for the workspace.

        :param method: GET, POST, PUT or DELETE.
        :param path: Path relative to ``/platform/v2/workspaces/{workspaceId}``, for example
            ``"/calculatedattributes"``.
        :param params: Query parameters. Default: none.
        :param json: Body of a POST or PUT. Default: none.
        :return: The JSON of the answer, or None if the answer is empty.
        """
        return self.send(endpoints.request(method, path, Scope.WORKSPACE, params, json))

    def test_connection(self) -> tuple[bool, str]:
        """
        Log in, read the connections of the workspace, and the workspaces of the account if ``account_id`` is set.

        Each request is sent once and may take 20 s. This method never raises.

        :return: Whether everything worked, and a sentence that says what was done, or which step failed and why.
        """
        from airflow_provider_mparticle.connection.check import check_connection

        try:
            return check_connection(self.get_conn, self.mparticle_conn_id)
        except Exception as error:  # broad: a secrets backend may raise anything, and Airflow shows the text
            said = f"The Airflow connection could not be read: {type(error).__name__}. Nothing was sent to mParticle."
            return False, said


def _instant(name: str, given: datetime | str | None) -> datetime | None:
    instant = parse_timestamp(given)
    if instant is None and given is not None:
        raise ConfigError(
            f"{name} must be an ISO 8601 instant, for example '2026-03-01T00:00:00Z', not {shown(given)}. "
            "Nothing was sent to mParticle."
        )
    return instant


def _fields(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(resource, Mapping):
        raise ConfigError(
            f"The fields of a resource must be a dict, not a {type(resource).__name__}. Nothing was sent to mParticle."
        )
    return resource


def _with_id(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _fields(resource).get("id"):
        raise ConfigError("A new resource needs an id: choose its slug. Nothing was sent to mParticle.")
    return resource
