"""What Airflow reads about this package before it imports it, with Airflow's own code."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import airflow
import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_mparticle.connection.form import CONN_TYPE, EXTRA_FIELDS, HIDDEN_FIELDS, PLACEHOLDERS, RELABELING
from airflow_provider_mparticle.connection.reader import api_config
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.provider_info import get_provider_info
from airflow_provider_mparticle.simulator import Simulator

AIRFLOW = Path(sys.executable).with_name("airflow")
KNOWS_CONN_FIELDS = "conn-fields" in Path(airflow.__file__).with_name("provider.yaml.schema.json").read_text()
# Airflow 3.0 and 3.1 ask a hook for its form, but not where the FAB provider is missing.
ASKS_THE_HOOK = not KNOWS_CONN_FIELDS and importlib.util.find_spec("flask_appbuilder") is not None


def connection_type() -> dict[str, Any]:
    """The only connection type in provider info."""
    [declared] = get_provider_info()["connection-types"]
    return dict(declared)


def run_airflow(*commands: str, **environment: str) -> list[subprocess.CompletedProcess[str]]:
    """Run several ``airflow`` commands at the same time, because each needs seconds to start."""
    running = [
        subprocess.Popen(
            [AIRFLOW, *command.split()],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    said = [process.communicate(timeout=300) for process in running]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, out, err)
        for process, (out, err) in zip(running, said, strict=True)
    ]


def rows(listing: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The rows of a listing as JSON, without the warnings of Airflow 2 before and after it."""
    [table] = [line for line in listing.stdout.splitlines() if line.startswith("[{")]
    return list(json.loads(table))


@pytest.fixture
def providers_manager(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Airflow's own registry of providers, still empty."""
    from airflow.providers_manager import ProvidersManager

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(ProvidersManager, "_initialized", False)
    fresh = object.__new__(ProvidersManager)
    fresh.__init__()
    return fresh


def widgets(providers_manager: Any) -> dict[str, Any]:
    """The extra fields of our connection form, by name, as Airflow would show them."""
    prefix = f"extra__{CONN_TYPE}__"
    found = providers_manager.connection_form_widgets.items()
    return {name.removeprefix(prefix): widget for name, widget in found if name.startswith(prefix)}


@pytest.mark.parametrize("schema", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_it_fits_airflows_schema(schema: str) -> None:
    """Airflow skips a provider that does not match the first schema. The second one also describes the form."""
    import jsonschema

    known = json.loads(Path(airflow.__file__).with_name(schema).read_text())
    # The rest concerns releases of Apache's own providers.
    known["required"] = ["package-name", "name", "description", "versions"]
    for name in ("cli", "asset-uris"):  # an older Airflow ignores them
        known["properties"].setdefault(name, {})
    info = get_provider_info()

    errors = [error.message for error in jsonschema.Draft7Validator(known).iter_errors(info)]

    assert [] == errors


def test_the_package_name_is_the_distributions() -> None:
    """With another name, every Airflow command fails."""
    [entry_point] = [
        found
        for found in entry_points(group="apache_airflow_provider")
        if found.module.startswith("airflow_provider_m")
    ]

    info = entry_point.load()()

    assert entry_point.dist
    assert entry_point.dist.name == info["package-name"]
    assert [entry_point.dist.version] == info["versions"]


def test_every_class_and_module_that_it_names_can_be_imported() -> None:
    """Otherwise a user would find the mistake only when opening a form or a list."""
    info = get_provider_info()
    modules = [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for group in info[kind]
        for module in group["python-modules"]
    ]
    hook_module, _, hook_class = connection_type()["hook-class-name"].rpartition(".")

    imported = [importlib.import_module(module).__name__ for module in modules]

    assert modules == imported
    assert 4 <= len(modules)
    assert MParticleHook is getattr(importlib.import_module(hook_module), hook_class)


def test_every_module_belongs_to_an_integration_that_is_declared() -> None:
    """Airflow's documentation tools search the integration by its name."""
    info = get_provider_info()
    declared = {integration["integration-name"] for integration in info["integrations"]}

    used = {group["integration-name"] for kind in ("hooks", "operators", "sensors", "triggers") for group in info[kind]}

    assert declared == used


@pytest.mark.interpreter
def test_asking_for_it_loads_nothing_heavy() -> None:
    """Every Airflow process reads provider info, including the scheduler and each task."""
    script = (
        "import sys, json\n"
        "from airflow_provider_mparticle.provider_info import get_provider_info\n"
        "get_provider_info()\n"
        "print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    )

    loaded = json.loads(subprocess.check_output([sys.executable, "-c", script], text=True))

    assert set() == {"airflow", "requests", "aiohttp", "tenacity", "wtforms", "jinja2"} & set(loaded)


def test_both_forms_have_the_same_fields() -> None:
    """Airflow 3.2 and later use provider info, earlier versions use the hook. Users see the same form."""
    pytest.importorskip("wtforms", reason="only an Airflow that asks the hook for its form brings wtforms")
    from_provider_info = connection_type()["conn-fields"]
    from_hook = MParticleHook.get_connection_form_widgets()

    labels = {name: field.kwargs["label"] for name, field in from_hook.items()}
    descriptions = {name: field.kwargs["description"] for name, field in from_hook.items()}

    assert list(EXTRA_FIELDS) == list(labels)
    assert {name: field["label"] for name, field in from_provider_info.items()} == labels
    assert {name: field["description"] for name, field in from_provider_info.items()} == descriptions


def test_both_forms_name_the_standard_fields_alike() -> None:
    """The same is true for the fields that every connection has."""
    from_provider_info = connection_type()["ui-field-behaviour"]

    from_hook = MParticleHook.get_ui_field_behaviour()

    assert {name.replace("-", "_"): value for name, value in from_provider_info.items()} == from_hook
    assert {"login", "password", "host"} == set(from_hook["relabeling"])


def test_the_form_offers_every_field_that_is_read(simulator: Simulator) -> None:
    """The form shows every field that is used, and no other."""

    class Extra(dict[str, Any]):
        """The extra of a connection, which records the fields that were read."""

        names: ClassVar[set[str]] = set()

        def get(self, name: str, default: Any = None) -> Any:
            self.names.add(name)
            return super().get(name, default)

    conn = Connection(conn_id="mparticle_default", conn_type=CONN_TYPE, login="id", password="a-client-secret")
    api_config(conn, Extra(workspace_id=1))

    assert set() == set(EXTRA_FIELDS) - Extra.names
    assert set(simulator.airflow_connection()["extra"]) <= set(EXTRA_FIELDS)


@pytest.mark.skipif(not (KNOWS_CONN_FIELDS or ASKS_THE_HOOK), reason="this Airflow has no form without FAB")
def test_airflow_shows_the_standard_fields_under_our_names(providers_manager: Any) -> None:
    """mParticle calls login and password client id and client secret."""
    shown = providers_manager.field_behaviours[CONN_TYPE]

    assert RELABELING == shown["relabeling"]
    assert PLACEHOLDERS == shown["placeholders"]
    assert HIDDEN_FIELDS == shown["hidden_fields"]


@pytest.mark.skipif(not KNOWS_CONN_FIELDS, reason="this Airflow asks the hook for its form: conn-fields came with 3.2")
def test_airflow_shows_our_fields_with_descriptions_out_of_provider_info(
    providers_manager: Any, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    """Airflow 3.2 and later warn if the form comes from the hook and not from provider info."""
    hook = providers_manager.hooks[CONN_TYPE]

    fields = {name: widget.field for name, widget in widgets(providers_manager).items()}

    assert "mParticle" == hook.hook_name
    assert {name: label for name, (label, _, _) in EXTRA_FIELDS.items()} == {
        name: field["schema"]["title"] for name, field in fields.items()
    }
    assert {name: meaning for name, (_, _, meaning) in EXTRA_FIELDS.items()} == {
        name: field["description"] for name, field in fields.items()
    }
    assert [] == [record.message for record in caplog.records if record.levelno >= logging.WARNING and ours(record)]
    assert [] == [str(warning.message) for warning in recwarn if "mparticle" in str(warning.message).lower()]


@pytest.mark.skipif(not ASKS_THE_HOOK, reason="this Airflow takes its form from provider info, or has none without FAB")
def test_airflow_shows_our_fields_out_of_the_hook(
    providers_manager: Any, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    """Airflow 2.11 to 3.1 do not read conn-fields."""
    fields = {name: widget.field for name, widget in widgets(providers_manager).items()}

    assert {name: label for name, (label, _, _) in EXTRA_FIELDS.items()} == {
        name: field.kwargs["label"] for name, field in fields.items()
    }
    assert [] == [record.message for record in caplog.records if record.levelno >= logging.WARNING and ours(record)]
    assert [] == [str(warning.message) for warning in recwarn if "mparticle" in str(warning.message).lower()]


def ours(record: logging.LogRecord) -> bool:
    """Return whether a log record is about this package."""
    return "mparticle" in record.getMessage().lower()


@pytest.mark.interpreter
def test_airflows_commands_list_us() -> None:
    """Users check the installation with these commands."""
    listed, hooks = run_airflow("providers list -o json", "providers hooks -o json")

    [provider] = [row for row in rows(listed) if row["package_name"] == "airflow-provider-mparticle"]
    [hook] = [row for row in rows(hooks) if row["connection_type"] == CONN_TYPE]

    assert get_provider_info()["versions"] == [provider["version"]]
    assert "mParticle" in provider["description"]
    assert "airflow_provider_mparticle.hooks.MParticleHook" == hook["class"]
    assert "mparticle_conn_id" == hook["conn_id_attribute_name"]
    assert "mParticle" == hook["hook_name"]
    assert ["", ""] == [about_us(listed), about_us(hooks)]


def about_us(done: subprocess.CompletedProcess[str]) -> str:
    """Return the complaints of a command about this package."""
    return "\n".join(line for line in done.stderr.splitlines() if "mparticle" in line.lower())


@pytest.mark.interpreter
def test_airflows_command_tests_a_connection(start_simulator: Callable[..., Simulator]) -> None:
    """The command in Airflow's manual distinguishes valid and invalid credentials."""
    simulator = start_simulator()
    good = simulator.airflow_connection()

    right, wrong = run_airflow(
        "connections test mparticle_default",
        "connections test mparticle_wrong",
        AIRFLOW_CONN_MPARTICLE_WRONG=json.dumps({**good, "password": "wr0ng-s3cret"}),
    )

    assert "Connection success!" in right.stdout
    assert 1 == simulator.count("GET", "/workspaces/1234/connections")
    assert "Connection failed!" in wrong.stdout
    assert "The login failed. mParticle refused the login of this connection" in unwrapped(wrong)
    assert "wr0ng-s3cret" not in wrong.stdout + wrong.stderr


def unwrapped(done: subprocess.CompletedProcess[str]) -> str:
    """Return the output of a command without line breaks of its console."""
    return " ".join(done.stdout.split())
