"""Members of enumerations in the template fields of every operator."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from airflow_provider_mparticle import operators
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor


class Name(str, Enum):  # noqa: UP042 - str() of a StrEnum is its value
    """As a DAG file may have it."""

    ORDERS = "orders"
    TODAY = "{{ ds }}"


CLASSES = [*(getattr(operators, name) for name in operators.__all__), MParticlePipelineRunSensor]


@pytest.mark.parametrize("operator", CLASSES)
@pytest.mark.parametrize("wrapped", [lambda value: value, lambda value: [value], lambda value: {"a": {"b": (value,)}}])
def test_a_member_of_an_enumeration_is_rendered_as_its_value(operator: Any, wrapped: Any) -> None:
    """Airflow would render its name, so that a task asks for the pipeline "Name.ORDERS"."""
    task = object.__new__(operator)
    environment = operators.MParticlePausePipelineOperator(task_id="t", pipeline_id="a").get_template_env()

    rendered = operator.render_template(task, wrapped([Name.ORDERS, Name.TODAY]), {"ds": "2026-03-01"}, environment)

    assert wrapped(["orders", "2026-03-01"]) == rendered
