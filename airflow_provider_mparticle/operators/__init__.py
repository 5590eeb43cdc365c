"""
The operators: they configure Warehouse Sync, start exactly one run of a pipeline, and call the Platform API.

The module of an operator is imported when a DAG file uses the operator (PEP 562), so a DAG file loads only what it
needs. Operators must not do the work themselves: their methods import it from ``tasks/`` when a worker runs a task.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_mparticle.operators.apply import MParticleApplyOperator
    from airflow_provider_mparticle.operators.pipelines import (
        MParticleCreatePipelineOperator,
        MParticlePausePipelineOperator,
        MParticleResumePipelineOperator,
        MParticleUpdatePipelineOperator,
    )
    from airflow_provider_mparticle.operators.plan_slices import MParticlePlanSlicesOperator
    from airflow_provider_mparticle.operators.platform import MParticlePlatformOperator
    from airflow_provider_mparticle.operators.resources import (
        MParticleCreateConnectionOperator,
        MParticleCreateDataModelOperator,
        MParticleCreateFieldTransformationOperator,
        MParticleDeleteResourceOperator,
    )
    from airflow_provider_mparticle.operators.sync_slice import MParticleSyncSliceOperator
    from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator

_MODULES = {
    "MParticleApplyOperator": "apply",
    "MParticleCreateConnectionOperator": "resources",
    "MParticleCreateDataModelOperator": "resources",
    "MParticleCreateFieldTransformationOperator": "resources",
    "MParticleCreatePipelineOperator": "pipelines",
    "MParticleDeleteResourceOperator": "resources",
    "MParticlePausePipelineOperator": "pipelines",
    "MParticlePlanSlicesOperator": "plan_slices",
    "MParticlePlatformOperator": "platform",
    "MParticleResumePipelineOperator": "pipelines",
    "MParticleSyncSliceOperator": "sync_slice",
    "MParticleTriggerPipelineOperator": "trigger",
    "MParticleUpdatePipelineOperator": "pipelines",
}

__all__ = [
    "MParticleApplyOperator",
    "MParticleCreateConnectionOperator",
    "MParticleCreateDataModelOperator",
    "MParticleCreateFieldTransformationOperator",
    "MParticleCreatePipelineOperator",
    "MParticleDeleteResourceOperator",
    "MParticlePausePipelineOperator",
    "MParticlePlanSlicesOperator",
    "MParticlePlatformOperator",
    "MParticleResumePipelineOperator",
    "MParticleSyncSliceOperator",
    "MParticleTriggerPipelineOperator",
    "MParticleUpdatePipelineOperator",
]


def __getattr__(name: str) -> Any:
    """Import the operator with this name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    operator = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = operator
    return operator


def __dir__() -> list[str]:
    return [*globals(), *__all__]
