"""Airflow stores no secret among the rendered fields of a task, which its UI shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from main_job import REFUNDS

from airflow_provider_mparticle import operators
from airflow_provider_mparticle.client.secrets import is_secret_name

# Each operator that takes secrets, with arguments that work.
ARGUMENTS: dict[Any, dict[str, Any]] = {
    operators.MParticleApplyOperator: {"spec": {}},
    operators.MParticleCreateConnectionOperator: {
        "connection_id": "warehouse",
        "name": "Warehouse",
        "service_provider": "Snowflake",
        "config": {},
    },
    operators.MParticleCreateFieldTransformationOperator: {
        "field_transformation_id": "orders",
        "name": "Orders",
        "mappings": [],
    },
    operators.MParticleCreatePipelineOperator: REFUNDS,
    operators.MParticlePausePipelineOperator: {"pipeline_id": "orders"},
    operators.MParticlePlatformOperator: {"path": "/apps"},
    operators.MParticleResumePipelineOperator: {"pipeline_id": "orders"},
    operators.MParticleUpdatePipelineOperator: {"pipeline_id": "orders", "fields": {}},
}


def may_hold_secrets(operator: Any, field: str) -> bool:
    """Return whether a field is a secret, or holds names and values at any depth."""
    return is_secret_name(field) or getattr(operator, "template_fields_renderers", {}).get(field) == "json"


HOLDERS = [
    (operator, field)
    for operator in (getattr(operators, name) for name in operators.__all__)
    for field in operator.template_fields
    if may_hold_secrets(operator, field)
]
NAMES = st.sampled_from(["password", "partner_feed_key", "privateKey", "client-secret", "dsn", "keytab"])
SECRETS = st.from_regex(r"[A-Za-z0-9_-]{20,40}", fullmatch=True)


@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(holder=st.sampled_from(HOLDERS), name=NAMES, secret=SECRETS, depth=st.integers(0, 2), as_text=st.booleans())
@example(holder=(operators.MParticleApplyOperator, "spec"), name="password", secret="o" * 20, depth=1, as_text=True)
def test_a_secret_is_not_among_the_stored_fields(
    holder: tuple[Any, str], name: str, secret: str, depth: int, as_text: bool
) -> None:
    """The task itself keeps it."""
    of, field = holder
    value: Any = {name: secret}
    for _ in range(depth):
        value = {"connections": [value, 1]}
    if field == "spec" and as_text:
        value = json.dumps(value)
    operator = of(task_id="t", **ARGUMENTS[of])
    setattr(operator, field, secret if is_secret_name(field) else value)

    operator.render_template_fields({})

    assert secret not in repr(stored(operator))
    assert secret in repr(getattr(operator, field))
    assert "mparticle_default" in repr(stored(operator))


def stored(task: Any) -> dict[str, Any]:
    """Return the rendered fields of a task as Airflow's task runner sends them to be stored."""
    try:
        from airflow.sdk.execution_time import task_runner
    except ImportError:  # Airflow 2 stores them itself
        from airflow.models.renderedtifields import get_serialized_template_fields
        from airflow.utils.log.secrets_masker import redact

        return {name: redact(value, name) for name, value in get_serialized_template_fields(task).items()}
    return dict(task_runner._serialize_rendered_fields(task))


def test_every_operator_that_takes_secrets_is_tested() -> None:
    """A new operator with such a field needs arguments in ``ARGUMENTS``."""
    assert set(ARGUMENTS) == {operator for operator, _ in HOLDERS}


@pytest.mark.parametrize("operator", ARGUMENTS, ids=lambda operator: operator.__name__)
def test_a_field_without_a_secret_is_stored(operator: Any) -> None:
    """The UI shows it, whichever Airflow it is."""
    task = operator(task_id="t", **ARGUMENTS[operator])

    task.render_template_fields({})

    assert set(operator.template_fields) == set(stored(task))
