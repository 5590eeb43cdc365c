"""
Defines the secrets backend of every measurement: it has one connection, counts lookups, and can be slow.

Airflow makes one object of the class that ``[secrets] backend`` names, and calls its synchronous ``get_connection``.
``BaseHook.get_connection`` calls it in its own thread, which for a trigger is the thread of the event loop.
``BaseHook.aget_connection`` calls it with ``sync_to_async``, which has one thread for the whole process. Airflow does
not cache the connection.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from airflow.secrets import BaseSecretsBackend

from benchmarks.environments import CONNECTION, LOOKUP_S

if TYPE_CHECKING:
    from airflow.sdk import Connection


class CountingSecrets(BaseSecretsBackend):
    """Returns the only connection, after a pause. Both are in environment variables."""

    lookups = 0

    def get_connection(self, conn_id: str) -> Connection | None:
        """Return the connection after the pause, or None for another id."""
        from airflow.sdk import Connection  # Airflow makes backends while it is being imported itself

        CountingSecrets.lookups += 1
        time.sleep(float(os.environ.get(LOOKUP_S, "0")))
        fields = json.loads(os.environ[CONNECTION])
        return Connection(**fields) if fields["conn_id"] == conn_id else None
