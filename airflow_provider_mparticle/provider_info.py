"""
Tells Airflow what this package contains: connection type, operators, triggers, links and commands.

Every Airflow process loads this module first, so it must import only plain data.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_mparticle import __version__
from airflow_provider_mparticle.connection.form import (
    CONN_TYPE,
    EXTRA_FIELDS,
    HIDDEN_FIELDS,
    HOOK_NAME,
    PLACEHOLDERS,
    RELABELING,
    json_schema,
)

_INTEGRATION = "mParticle Warehouse Sync"

_PIPELINE_URIS = {
    "schemes": ["mparticle"],
    "handler": "airflow_provider_mparticle.assets.normalize_uri",
    "factory": "airflow_provider_mparticle.assets.pipeline_asset",
    "to_openlineage_converter": "airflow_provider_mparticle.assets.convert_asset_to_openlineage",
}


def get_provider_info() -> dict[str, Any]:
    """Return provider info. Airflow refuses to start if the package name is not the name of the distribution."""
    return {
        "package-name": "airflow-provider-mparticle",
        "name": "mParticle",
        "description": "Create, start and wait for `mParticle <https://www.mparticle.com/>`__ Warehouse Syncs.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://docs.mparticle.com/guides/warehouse-sync/",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": CONN_TYPE,
                "hook-class-name": "airflow_provider_mparticle.hooks.MParticleHook",
                "hook-name": HOOK_NAME,
                "conn-fields": {
                    name: {"label": label, "description": meaning, "schema": json_schema(name)}
                    for name, (label, _, meaning) in EXTRA_FIELDS.items()
                },
                "ui-field-behaviour": {
                    "hidden-fields": HIDDEN_FIELDS,
                    "relabeling": RELABELING,
                    "placeholders": PLACEHOLDERS,
                },
            }
        ],
        "hooks": [_modules("hooks")],
        "operators": [_modules("operators")],
        "sensors": [_modules("sensors")],
        "triggers": [_modules("triggers"), _modules("event_triggers")],
        "asset-uris": [_PIPELINE_URIS],
        "dataset-uris": [_PIPELINE_URIS],  # read by Airflow 2
        "extra-links": [f"airflow_provider_mparticle.links.{name}" for name in ("PipelineLink", "RunLink")],
        "cli": ["airflow_provider_mparticle.cli.parser.get_cli_commands"],  # read by Airflow 3.2 and later
    }


def _modules(name: str) -> dict[str, Any]:
    return {"integration-name": _INTEGRATION, "python-modules": [f"airflow_provider_mparticle.{name}"]}
