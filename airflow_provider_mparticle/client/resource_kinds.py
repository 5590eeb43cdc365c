"""Defines the four kinds of resources of Warehouse Sync, in the order in which they refer to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from airflow_provider_mparticle.client.models import (
    DataModel,
    FieldTransformation,
    Pipeline,
    Resource,
    WarehouseConnection,
)

R_co = TypeVar("R_co", bound=Resource, covariant=True)


@dataclass(frozen=True)
class Kind(Generic[R_co]):
    """
    One kind of resource.

    :param name: Its name, for example ``"data_model"``; also the name of the route to one resource of this kind.
    :param model: The class for mParticle's answer.
    :param writable: The fields that a request may have, besides the id.
    """

    name: str
    model: type[R_co]
    writable: tuple[str, ...]

    @property
    def plural(self) -> str:
        """Name of the route to all resources of this kind, and of their section in a document."""
        return f"{self.name}s"

    @property
    def id_name(self) -> str:
        """Name of the route's placeholder."""
        return f"{self.name}_id"

    @property
    def title(self) -> str:
        """The name in messages, for example ``"data model"``."""
        return self.name.replace("_", " ")

    def named(self, resource_id: object) -> str:
        """Return a resource of this kind as the beginning of a sentence, for example ``"Data model 'orders'"``."""
        return f"{self.title.capitalize()} {resource_id!r}"


CONNECTION = Kind("connection", WarehouseConnection, ("name", "state", "service_provider", "config"))
DATA_MODEL = Kind("data_model", DataModel, ("name", "state", "type", "config"))
FIELD_TRANSFORMATION = Kind("field_transformation", FieldTransformation, ("name", "destination_type", "mappings"))
PIPELINE = Kind(
    "pipeline",
    Pipeline,
    (
        "name",
        "connection_id",
        "data_model_id",
        "field_transformation_id",
        "partner_feed_id",
        "partner_feed_key",
        "state",
        "sync_mode",
        "schedule",
        "environment",
        "data_plan_id",
        "data_plan_version",
    ),
)
KINDS: tuple[Kind[Resource], ...] = (CONNECTION, DATA_MODEL, FIELD_TRANSFORMATION, PIPELINE)
