"""
An mParticle that runs on this machine, for tests, demos and curious people without an account.

It imitates what mParticle documents about its OAuth endpoint, the Platform API v1 and Warehouse Sync, keeps
its state in memory, listens on 127.0.0.1 only and breaks on demand. It has a small warehouse, so that a run reads
rows and a test can count which of them were ingested how often. It shares no code with the client: a misreading must
not agree with itself. Each module lists at its top what it assumes.
"""

from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.simulator import Simulator

__all__ = ["Fault", "Refusal", "Simulator"]
