"""
Defines and explains the fields of an Airflow connection of type ``mparticle``.

Airflow 3.2 and later read them from provider info, earlier versions from the hook. Every Airflow process imports this
module, so it must not import anything.
"""

from __future__ import annotations

CONN_TYPE = "mparticle"
DEFAULT_CONN_NAME = "mparticle_default"
HOOK_NAME = "mParticle"

# mParticle's data regions, which its documentation calls pods.
PODS = ("us1", "us2", "eu1", "au1")

# Name -> label, JSON type, description for the user. The form shows the fields in this order.
EXTRA_FIELDS: dict[str, tuple[str, str, str]] = {
    "workspace_id": (
        "Workspace id",
        "integer",
        (
            "Required. The number of the workspace with your Warehouse Sync resources, for example 1234. You find it "
            "as workspaceId in the source of a page of mParticle's web app, which Ctrl+U shows (Option+Cmd+U on a Mac)."
        ),
    ),
    "pod": (
        "Data region (pod)",
        "string",
        (
            "The region of your account: us1, us2, eu1 or au1. It determines the address of mParticle's web app, "
            "and the API base URL if that field is empty. You see it in the address of the web app: "
            "app.eu1.mparticle.com is eu1, app.mparticle.com is us1. Default: us1."
        ),
    ),
    "account_id": (
        "Account id",
        "integer",
        (
            "The number of the account. Only calls of the Platform API (v1) need it. You find it as accountId in the "
            "source of a page of mParticle's web app. Default: none."
        ),
    ),
    "timeout": (
        "Timeout in seconds",
        "number",
        "Longest time for one call, including the login. Default: 60, since creating a connection is slow.",
    ),
    "app_link": (
        "App link",
        "string",
        (
            "Address of a pipeline in mParticle's web app, for the links of tasks, with the placeholders "
            "{workspace_id} and {pipeline_id}. mParticle does not document this address. Default: the start page of "
            "the web app."
        ),
    ),
    "warehouse_namespace": (
        "Warehouse namespace",
        "string",
        (
            "Only for OpenLineage: its name of the warehouse that the workspace's pipelines read, for example "
            "snowflake://myorg-account. Default: the inputs are named only where a task reads them from mParticle."
        ),
    ),
    "token_url": (
        "Token URL",
        "string",
        "Address of the login. Default: https://sso.auth.mparticle.com/oauth/token, for every pod.",
    ),
    "audience": (
        "Audience",
        "string",
        "OAuth audience. Default: https://api.mparticle.com, for every pod.",
    ),
    "routes": (
        "Routes",
        "object",
        (
            'JSON object with corrected paths by name, for example {"pipelines": "/data-pipelines"}. '
            '"airflow mparticle doctor" prints the paths that you need.'
        ),
    ),
    "run_states": (
        "Run states",
        "object",
        (
            'JSON object with the meaning of state words, for example {"completed": "succeeded"}. '
            "The meanings are succeeded, failed and under_way."
        ),
    ),
    "run_fields": (
        "Run fields",
        "object",
        'JSON object with additional names for the fields of a run, for example {"state": ["runStatus"]}.',
    ),
}
REQUIRED = frozenset({"workspace_id"})
# Airflow 3 shows these in a section of its own, which stays closed: hardly anyone needs them.
RARE_SECTION = "Advanced: other addresses and paths"
RARE = frozenset({"token_url", "audience", "routes", "run_states", "run_fields"})

HIDDEN_FIELDS = ["schema", "port"]
RELABELING = {
    "login": "Client id",
    "password": "Client secret",
    "host": "API base URL",
}
PLACEHOLDERS = {
    "login": "required: mParticle shows it under Settings > API Credentials",
    "password": "required: mParticle shows it once, with a new client id",
    "host": "optional: the pod sets it",
}


def json_schema(name: str) -> dict[str, object]:
    """Return the JSON schema of an extra field. Only a required field excludes null, so that Airflow marks it."""
    kind = EXTRA_FIELDS[name][1]
    schema: dict[str, object] = {"type": kind if name in REQUIRED else [kind, "null"]}
    if name == "pod":
        schema["enum"] = [*PODS]  # without null, which Airflow would show as a pod named "null"
    if name in RARE:
        schema["section"] = RARE_SECTION
    return schema
