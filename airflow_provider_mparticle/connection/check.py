"""Try an Airflow connection out, step by step, and say what was done: behind the form's test and Airflow's command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import AuthenticationError, MParticleError
from airflow_provider_mparticle.client.resource_kinds import CONNECTION

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.sync import Client

# Airflow's API server waits for the test, and so does the user in front of it.
TIMEOUT_S = 20.0


def check_connection(open_client: Callable[[], Client], conn_id: str) -> tuple[bool, str]:
    """
    Log in, read the workspace, and the account if it is given.

    :param open_client: Reads the Airflow connection and returns the client for it.
    :param conn_id: Its id, which is left out of the text: Airflow tests a form under a random one.
    :return: Whether all of it worked, and what was done, or which step failed and why.
    """
    step = "The connection is incomplete or malformed, and nothing was sent."
    try:
        client = open_client()
        config = client.config
        client.config = replace(config, timeout_s=min(config.timeout_s, TIMEOUT_S))
        step = "The login failed."
        client.log_in()
        step = f"The login worked, but reading workspace {config.workspace_id} failed."
        found = client.send(endpoints.list_resources(CONNECTION), retry=False)
        done = f"Logged in and read workspace {config.workspace_id}: {len(found)} warehouse connections."
        if config.account_id is None:
            return True, done
        step = f"{done} But reading account {config.account_id} failed."
        return True, f"{done} {_account(client, config)}"
    except MParticleError as error:
        said = str(error).replace(f"Airflow connection {conn_id!r}", "this connection")
        hint = _white_space(config) if isinstance(error, AuthenticationError) else ""
        return False, f"{step} {said} {hint}".strip()


def _account(client: Client, config: ApiConfig) -> str:
    """Read the account's workspaces, and say whether ours is one of them."""
    ids = {str(one.id) for one in client.send(endpoints.list_workspaces(), retry=False)}
    if str(config.workspace_id) in ids:
        return f"Account {config.account_id} has this workspace."
    return f"Account {config.account_id} can be read, but does not list workspace {config.workspace_id}: check both."


def _white_space(config: ApiConfig) -> str:
    """Say which of the credentials begin or end with white space, as a value does that was copied carelessly."""
    credentials = {"client id": config.credentials.client_id, "client secret": config.credentials.client_secret}
    padded = [name for name, value in credentials.items() if value != value.strip()]
    return f"The {' and the '.join(padded)} begins or ends with white space: was it copied with it?" if padded else ""
