"""Tests an Airflow connection step by step, for the button in the form and for ``airflow connections test``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.resource_kinds import CONNECTION
from airflow_provider_mparticle.client.shown import counted

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.sync import Client

# The API server of Airflow and the user wait for the result, so a request may not take longer.
TIMEOUT_S = 20.0


def check_connection(open_client: Callable[[], Client], conn_id: str) -> tuple[bool, str]:
    """
    Log in, read the workspace, and read the account if ``account_id`` is set.

    :param open_client: Function that reads the Airflow connection and returns a client.
    :param conn_id: Id of the connection. The text does not contain it, because Airflow tests a form with a random id.
    :return: Whether everything worked, and a text that says what was done, or which step failed and why.
    """
    step = "The connection is incomplete or malformed:"
    try:
        client = open_client()
        config = client.config
        client.config = replace(config, timeout_s=min(config.timeout_s, TIMEOUT_S))
        step = "The login failed."
        client.log_in()
        step = f"The login worked, but reading workspace {config.workspace_id} failed."
        found = client.send(endpoints.list_resources(CONNECTION), retry=False)
        connections = counted(len(found), "warehouse connection")
        done = f"Logged in and read workspace {config.workspace_id}: {connections}.{config.hint}"
        if config.account_id is None:
            return True, done
        step = f"{done} But reading account {config.account_id} failed."
        return True, f"{done} {_account(client, config)}"
    except MParticleError as error:
        reason = str(error).replace(f"Airflow connection {conn_id!r}", "this connection")
        return False, f"{step} {reason}"


def _account(client: Client, config: ApiConfig) -> str:
    """Read the workspaces of the account, and return a text that says whether ours is one of them."""
    ids = {str(one.id) for one in client.send(endpoints.list_workspaces(), retry=False)}
    if str(config.workspace_id) in ids:
        return f"Account {config.account_id} has this workspace."
    return f"Account {config.account_id} can be read, but it does not list workspace {config.workspace_id}. Check both."
