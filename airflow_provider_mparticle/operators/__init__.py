"""Operators: configure Warehouse Sync, start exactly one run of a pipeline, call the Platform API."""

from __future__ import annotations

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
