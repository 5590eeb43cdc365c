"""
The secrets backend of every measurement: it holds one connection, counts lookups and can be slow.

Airflow makes one object of the class that ``[secrets] backend`` names and calls its synchronous ``get_connection``:
from ``BaseHook.get_connection`` in whatever thread that is called in, which in a trigger is the event loop's, and from
``BaseHook.aget_connection`` by ``sync_to_async``, which has one thread for the whole process. It keeps no answer.
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
    """Answers for the one connection that the environment holds, after the pause that it names."""

    lookups = 0

    def get_connection(self, conn_id: str) -> Connection | None:
        """Return the connection, late."""
        from airflow.sdk import Connection  # Airflow makes backends while it is being imported itself

        CountingSecrets.lookups += 1
        time.sleep(float(os.environ.get(LOOKUP_S, "0")))
        fields = json.loads(os.environ[CONNECTION])
        return Connection(**fields) if fields["conn_id"] == conn_id else None
