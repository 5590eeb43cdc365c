"""
The fields of an Airflow connection of type ``mparticle``: the one place that names and explains them.

Airflow 3.2 and later read them from provider info, earlier versions from the hook's methods. Every Airflow process
imports this, so it imports nothing.
"""

from __future__ import annotations

CONN_TYPE = "mparticle"
DEFAULT_CONN_NAME = "mparticle_default"
HOOK_NAME = "mParticle"

# mParticle's data regions. Its documentation names them pods.
PODS = ("us1", "us2", "eu1", "au1")

# Name -> label, JSON type, what it means and where mParticle shows it. The order is that of need, and of the form.
EXTRA_FIELDS: dict[str, tuple[str, str, str]] = {
    "workspace_id": (
        "Workspace id",
        "integer",
        (
            "Required. The number of the workspace whose Warehouse Sync resources are meant, for example 1234. "
            "mParticle's web app shows it in the source of its pages (View > Developer > View Source) as workspaceId."
        ),
    ),
    "pod": (
        "Pod",
        "string",
        (
            "The data region of your account: us1, us2, eu1 or au1. It sets the API base URL, unless that is given, "
            "and the address of mParticle's web app. The web app's own address names it: app.eu1.mparticle.com is eu1, "
            "app.mparticle.com is us1. Default: us1."
        ),
    ),
    "account_id": (
        "Account id",
        "integer",
        (
            "The number of the account, for calls of the Platform API (v1) only; those calls fail without it. "
            "mParticle's web app shows it in the source of its pages as accountId."
        ),
    ),
    "timeout": (
        "Timeout in seconds",
        "number",
        "How long one exchange may take, its login included. Default: 60, since creating a connection can take 10.",
    ),
    "app_link": (
        "App link",
        "string",
        (
            "Address of a pipeline in mParticle's web app, for the links of tasks; {workspace_id} and {pipeline_id} "
            "are filled in. mParticle documents no such address. Default: the start page of the web app."
        ),
    ),
    "warehouse_namespace": (
        "Warehouse namespace",
        "string",
        (
            "OpenLineage's name of the warehouse that the workspace's pipelines read, for example "
            "snowflake://myorg-account. Default: the inputs are named only where a task reads them from mParticle."
        ),
    ),
    "token_url": (
        "Token URL",
        "string",
        "Where to log in. Default: https://sso.auth.mparticle.com/oauth/token, for every pod.",
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
            'JSON object: corrected paths by name, for example {"pipelines": "/data-pipelines"}. '
            '"airflow mparticle doctor" prints the ones that you need.'
        ),
    ),
    "run_states": (
        "Run states",
        "object",
        (
            'JSON object: what a state word means, for example {"completed": "succeeded"}. '
            "The meanings are succeeded, failed and under_way."
        ),
    ),
    "run_fields": (
        "Run fields",
        "object",
        'JSON object: further names of a run\'s field, for example {"state": ["runStatus"]}.',
    ),
}
REQUIRED = frozenset({"workspace_id"})
# Airflow 3 shows these in a section of its own, which stays closed: hardly anyone needs them.
RARE_SECTION = "If your workspace differs from mParticle's documentation"
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
    """Return the JSON schema of an extra field: only a required one has no null, and Airflow marks it."""
    kind = EXTRA_FIELDS[name][1]
    schema: dict[str, object] = {"type": kind if name in REQUIRED else [kind, "null"]}
    if name == "pod":
        schema["enum"] = [*PODS]  # without null, which Airflow would show as a pod named "null"
    if name in RARE:
        schema["section"] = RARE_SECTION
    return schema
