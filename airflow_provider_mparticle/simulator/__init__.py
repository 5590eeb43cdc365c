"""
Simulates mParticle on this machine, for tests, demos and users without an account.

It simulates what mParticle documents about its OAuth endpoint, the Platform API v1 and Warehouse Sync. It keeps its
state in memory, listens only on 127.0.0.1, and fails on request. It has a small warehouse, so that a run reads rows and
a test can count how often each row was ingested. It must not share code with the client: otherwise both could misread
mParticle in the same way. Each module lists its assumptions at its top.
"""

from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.simulator import Simulator

__all__ = ["Fault", "Refusal", "Simulator"]
