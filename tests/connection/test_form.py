"""The connection form has the same fields in all versions of Airflow, and marks the required ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import airflow
import pytest

from airflow_provider_mparticle.connection.form import EXTRA_FIELDS, PODS, RARE, RARE_SECTION, REQUIRED, json_schema
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.provider_info import get_provider_info


def test_the_most_important_fields_come_first() -> None:
    """A user fills in the form from the top, and can stop when all other fields have defaults."""
    assert ["workspace_id", "pod", "account_id"] == [*EXTRA_FIELDS][:3]
    assert {"workspace_id"} == REQUIRED


@pytest.mark.parametrize("name", EXTRA_FIELDS)
def test_a_required_field_is_marked_in_every_version(name: str) -> None:
    """Airflow 3 marks a field whose type excludes null. Airflow 2 only shows the description."""
    schema_type = json_schema(name)["type"]

    assert (name in REQUIRED) is isinstance(schema_type, str)
    assert (name in REQUIRED) is EXTRA_FIELDS[name][2].startswith("Required.")


@pytest.mark.parametrize("name", [name for name in EXTRA_FIELDS if name not in REQUIRED])
def test_an_optional_field_explains_its_default(name: str) -> None:
    """The user knows without the documentation what an empty field means."""
    meaning = EXTRA_FIELDS[name][2]

    assert "Default:" in meaning or "for example" in meaning


def test_a_pod_is_chosen_from_a_list() -> None:
    """Airflow 3 shows the enum as a list."""
    [connection_type] = get_provider_info()["connection-types"]

    assert [*PODS] == connection_type["conn-fields"]["pod"]["schema"]["enum"]


def test_a_json_object_is_edited_as_json() -> None:
    """In a text field of Airflow 3 the routes of a stored connection read "[object Object]", and saving lost them."""
    objects = {name for name, (_, _, meaning) in EXTRA_FIELDS.items() if meaning.startswith("JSON object")}

    assert {"routes", "run_states", "run_fields"} == objects
    assert {("object", "null")} == {tuple(json_schema(name)["type"]) for name in objects}  # type: ignore[arg-type]  # a list


@pytest.mark.interpreter
@pytest.mark.skipif(airflow.__version__.startswith("2."), reason="Airflow 2 builds its form from widgets, see below")
def test_airflow_3_shows_every_field_by_its_json_type() -> None:
    """Airflow 3.0 and 3.1 ask the hook and know no types but text and integer; later ones read provider info."""
    script = (
        "import json; from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService;"
        "print(json.dumps({one.connection_type: one.extra_fields for one in HookMetaService.hook_meta_data()}))"
    )  # in a process of its own, because Airflow 3.1 leaves mocks in place of wtforms
    printed = subprocess.check_output([sys.executable, "-c", script], text=True)
    fields = json.loads(printed.splitlines()[-1])["mparticle"]
    if fields is None and airflow.__version__.startswith("3.0."):
        pytest.skip("Airflow 3.0 shows the extra fields of no provider unless the provider FAB is installed")

    assert [*EXTRA_FIELDS] == [*fields]
    for name, field in fields.items():
        shown = {part: value for part, value in field["schema"].items() if part in ("type", "enum", "section")}
        assert json_schema(name) == shown


def test_what_hardly_anyone_needs_is_in_a_section_of_its_own() -> None:
    """It comes last, in the form of every version."""
    assert {*[*EXTRA_FIELDS][-len(RARE) :]} == RARE
    assert {RARE_SECTION} == {json_schema(name).get("section") for name in RARE}
    assert {None} == {json_schema(name).get("section") for name in EXTRA_FIELDS if name not in RARE}


def test_the_form_of_airflow_2_has_the_widgets_of_other_providers() -> None:
    """The default input field is 20 characters wide, which is too narrow for a JSON object."""
    widgets = pytest.importorskip("flask_appbuilder.fieldwidgets", reason="only Airflow 2 asks the hook for its form")
    import wtforms

    class Form(wtforms.Form):
        pass

    for name, field in MParticleHook.get_connection_form_widgets().items():
        setattr(Form, name, field)
    empty = Form()
    stored = Form(data={"routes": {"pipelines": "/data-pipelines"}})

    assert all(isinstance(field.widget, widgets.BS3TextFieldWidget) for field in empty)
    assert "{&#34;pipelines&#34;: &#34;/data-pipelines&#34;}" in stored["routes"]()
    assert empty.validate(), "all connection types share this form, so no field may be required"


def test_the_uri_and_the_json_in_the_docs_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user copies one of the two, and would not notice a mistake in it."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "connection.md").read_text()
    [uri] = re.findall(r"^mparticle://.*", page, re.MULTILINE)
    as_json = next(block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "conn_type" in block)
    given = json.loads(as_json)
    for placeholder in (given["login"], given["password"]):
        uri = uri.replace(placeholder, quote(placeholder))

    configurations = []
    for connection in (as_json, uri):
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", connection)
        configurations.append(MParticleHook().get_conn().config)

    assert configurations[0] == configurations[1]
    assert (1234, 5678) == (configurations[0].workspace_id, configurations[0].account_id)
