"""
The fields of an Airflow connection of type ``mparticle``: the one place that names and explains them.

Airflow 3.2 and later read them from provider info, earlier versions from the hook's methods. Every Airflow process
imports this, so it imports nothing.
"""

from __future__ import annotations

CONN_TYPE = "mparticle"
DEFAULT_CONN_NAME = "mparticle_default"
HOOK_NAME = "mParticle"

# Name -> label, JSON type, what it means. The order is the order in the form.
EXTRA_FIELDS: dict[str, tuple[str, str, str]] = {
    "workspace_id": (
        "Workspace id",
        "integer",
        "Required. The workspace whose Warehouse Sync resources are meant, for example 1234.",
    ),
    "account_id": (
        "Account id",
        "integer",
        "The account, for calls of the Platform API (v1) only; those calls fail without it.",
    ),
    "timeout": (
        "Timeout",
        "number",
        "Seconds to wait for one answer. Default: 60, since creating a connection can take 10.",
    ),
    "token_url": (
        "Token URL",
        "string",
        "Where to log in. Default: https://sso.auth.mparticle.com/oauth/token, for every data region.",
    ),
    "audience": (
        "Audience",
        "string",
        "OAuth audience. Default: https://api.mparticle.com, for every data region.",
    ),
    "routes": (
        "Routes",
        "string",
        'JSON object: corrected paths by name, for example {"pipelines": "/data-pipelines"}.',
    ),
    "run_states": (
        "Run states",
        "string",
        (
            'JSON object: what a state word means, for example {"completed": "succeeded"}. '
            "The meanings are succeeded, failed and under_way."
        ),
    ),
    "run_fields": (
        "Run fields",
        "string",
        'JSON object: further names of a run\'s field, for example {"state": ["runStatus"]}.',
    ),
}

HIDDEN_FIELDS = ["schema", "port"]
RELABELING = {
    "login": "Client id",
    "password": "Client secret",
    "host": "API base URL",
}
PLACEHOLDERS = {
    "login": "client id of an mParticle API user",
    "password": "client secret of that API user",
    "host": "https://api.mparticle.com",
}
