"""
An mParticle that runs on this machine, for tests, demos and users without an account.

It imitates what mParticle documents about its OAuth endpoint, the Platform API v1 and Warehouse Sync, keeps
its state in memory, listens on 127.0.0.1 only and fails on demand. It has a small warehouse, so that a run
reads rows and a test can count how often each was ingested. It shares no code with the client, or a
misreading would agree with itself. Each module lists at its top what it assumes.
"""

from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.simulator import Simulator

__all__ = ["Fault", "Refusal", "Simulator"]
