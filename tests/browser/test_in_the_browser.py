"""
What a person sees in Airflow's UI: the connection's form, the grid, logs, XComs, links and a failure.

``make screenshots`` writes the pictures in the documentation from what these tests see.
"""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import airflow
import pytest
import requests
from browser.conftest import SEEN_WITHIN_MS
from browser.demonstration import ROOT, Demonstration
from playwright.sync_api import Locator, Page, expect
from wait_until import wait_until

from airflow_provider_mparticle.connection.form import EXTRA_FIELDS, RARE, RARE_SECTION
from airflow_provider_mparticle.links import PipelineLink, RunLink
from dev.example_airflow import EXAMPLES
from dev.ui import PIPELINES, REASON

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SECRET = "simulator-secret"
# The status with which Airflow answers for the DAG my_copy, once it is good or some time is over.
STATUS_OF_COPY = """
async longest_ms => {
    for (const began = Date.now();;) {
        const {ok, status} = await fetch("/api/v2/dags/my_copy");
        if (ok || Date.now() - began > longest_ms) return status;
        await new Promise(resolve => setTimeout(resolve, 500));
    }
}
"""


def open_form(page: Page) -> Locator:
    """Open the form of a new connection of our type."""
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection Type").click()
    page.keyboard.type("mParticle")
    page.keyboard.press("Enter")
    expect(form.get_by_text("Standard Fields")).to_be_visible()
    return form


def open_section(form: Locator, name: str) -> Locator:
    """Open a section of the form, and return what is in it."""
    button = form.get_by_role("button", name=name, exact=True)
    button.click()
    fields = form.locator(f"[id='{button.get_attribute('aria-controls')}']")
    expect(fields).to_be_visible()
    return fields


def fill(form: Locator, **fields: str) -> None:
    """Fill in extra fields of the section that is open."""
    for name, value in fields.items():
        field = form.locator(f"[name=element_{name}]")
        field.fill(value)
        field.press("Tab")


def paste(fields: Locator, text: str) -> None:
    """Paste a text into the first JSON editor, as a person does: cut from another field, since typing adds brackets."""
    source = fields.get_by_role("textbox").first
    before = source.input_value()
    source.fill(text)
    for key in ("ControlOrMeta+a", "ControlOrMeta+x"):
        source.press(key)
    editor = fields.get_by_role("textbox", name="Editor content").first
    for key in ("ControlOrMeta+a", "ControlOrMeta+v"):
        editor.press(key)
    source.fill(before)


def trigger(page: Page, dag_id: str) -> None:
    """Trigger a DAG; Airflow then shows the run."""
    page.goto(f"/dags/{dag_id}")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    page.wait_for_url(f"**/dags/{dag_id}/runs/**")


def open_task(page: Page, task_id: str, state: str) -> None:
    """Open a task of the run that is shown, and wait for its state."""
    page.get_by_role("table").get_by_role("link", name=task_id, exact=True).click()
    expect(page.get_by_text(state, exact=True).first).to_be_visible()


def open_tab(page: Page, *names: str) -> None:
    """Open a tab of the task that is shown, and a tab in it."""
    for name in names:
        page.get_by_role("link", name=name, exact=True).click()


def check_links(page: Page, simulator: str, path: str) -> None:
    """The task links to mParticle's web app, and to the run in its API."""
    open_tab(page, "Details")
    expect(page.get_by_role("link", name=PipelineLink.name)).to_have_attribute("href", "https://app.mparticle.com")
    run = page.get_by_role("link", name=RunLink.name)
    expect(run).to_have_attribute("href", f"{simulator}/platform/v2/workspaces/1234/inputs/data-pipelines/{path}")


def test_the_form_asks_for_what_is_needed_first(page: Page, show: Callable[[str], None]) -> None:
    """What is required is marked, every field is explained, and what hardly anyone needs is out of the way."""
    form = open_form(page)
    for label, hint in (("Client id", "required"), ("Client secret", "required"), ("API base URL", "optional")):
        expect(form.get_by_label(label)).to_have_attribute("placeholder", re.compile(hint))
    show("connection-form")

    for section, names in (("Extra Fields", EXTRA_FIELDS.keys() - RARE), (RARE_SECTION, RARE)):
        shown = open_section(form, section).inner_text()
        if section == "Extra Fields":
            show("connection-form-extra")

        places = {name: shown.find(EXTRA_FIELDS[name][0]) for name in EXTRA_FIELDS if name in names}
        assert -1 not in places.values()
        assert sorted(places.values()) == [*places.values()]
        assert [] == [name for name in names if EXTRA_FIELDS[name][2] not in shown]
        assert ("Workspace id\n*" in shown) is (section == "Extra Fields")
        assert "null" not in shown


def test_a_connection_is_made_and_edited(page: Page, demonstration: Demonstration, show: Callable[[str], None]) -> None:
    """A person saves it and opens it again: the secret is not shown, and saving once more loses nothing."""
    form = open_form(page)
    form.get_by_label("Connection ID").fill("by_hand")
    form.get_by_label("API base URL").fill(demonstration.simulator)
    form.get_by_label("Client id").fill("simulator-client")
    form.get_by_label("Client secret").fill(SECRET)
    save = form.get_by_role("button", name="Save")
    expect(save).to_be_disabled()  # the workspace is missing
    open_section(form, "Extra Fields")
    fill(form, workspace_id="1234")
    fields = open_section(form, RARE_SECTION)
    fill(form, token_url=f"{demonstration.simulator}/oauth/token")
    paste(fields, '{"pipelines": "/inputs/data-pipelines"}')
    save.click()
    expect(page.get_by_text("Connection has been successfully created.")).to_be_visible()
    before = demonstration.connection("by_hand")

    row = page.get_by_role("row").filter(has_text="by_hand")
    row.get_by_role("button", name="Edit Connection").click()
    expect(form.get_by_label("Client id")).to_have_value("simulator-client")
    assert SECRET not in page.content()
    expect(form.get_by_label("Client secret")).to_have_value("***")
    expect(open_section(form, RARE_SECTION).get_by_text('"/inputs/data-pipelines"')).to_be_visible()
    open_section(form, "Extra Fields")
    fill(form, workspace_id="1235")
    fill(form, workspace_id="1234")
    open_section(form, "Standard Fields")
    form.get_by_label("Description").fill("Shop")
    save.click()

    expect(row.get_by_text("Shop")).to_be_visible()
    assert {"pipelines": "/inputs/data-pipelines"} == before["extra"]["routes"]
    assert {**before, "description": "Shop"} == demonstration.connection("by_hand")
    assert demonstration.test_connection("by_hand").startswith("Logged in and read workspace 1234")


def test_airflow_s_own_test_button_is_red_for_a_connection_without_a_port(page: Page) -> None:
    """So the documentation says, and what to do instead. When a later Airflow mends it, so must the documentation."""
    pages = ("connection.md", "airflow-ui.md", "troubleshooting.md")
    for text in ((ROOT / "docs" / "how-to" / name).read_text() for name in pages):
        about = next(part for part in re.split(r"\n\n|\n(?=\|)", text) if "Bad Request" in part)
        assert airflow.__version__ in about
        assert [] == [way for way in ("airflow connections test", "airflow mparticle doctor") if way not in about]

    page.goto("/connections")
    page.get_by_role("row").filter(has_text="mparticle_default").get_by_role("button", name="Test Connection").click()

    expect(page.get_by_text("Test Connection Failed")).to_be_visible()
    expect(page.get_by_text("Bad Request")).to_be_visible()


def test_a_run_is_followed_from_its_start_to_its_end(
    page: Page, demonstration: Demonstration, show: Callable[[str], None]
) -> None:
    """Grid, log, links and XComs, while the task is deferred and after."""
    trigger(page, "mparticle_create_and_run_pipeline")
    expect(page.get_by_role("table").get_by_text("Deferred")).to_be_visible()
    show("grid")
    open_task(page, "sync", "Deferred")
    expect(page.get_by_text("Started run 13325 of pipeline 'orders-on-demand'.")).to_be_visible()
    check_links(page, demonstration.simulator, "orders-on-demand/status/runs/13325")
    show("links")

    demonstration.end_runs("success")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    check_links(page, demonstration.simulator, "orders-on-demand/status/runs/13325")
    open_tab(page, "Logs")
    end = page.get_by_text(re.compile(r"Run 13325 .* succeeded in .*: 1000 records ingested, 0 rejected."))
    expect(end).to_be_visible()
    page.keyboard.press("w")  # wraps the lines
    expect(end).to_be_in_viewport(ratio=1)
    expect(page.get_by_text(re.compile("Traceback|File "))).to_have_count(0)
    show("log")
    open_tab(page, "Storage", "XCom")
    for key in ("return_value", "pipeline_run_id", "mparticle_run_link"):
        expect(page.get_by_role("cell", name=key)).to_be_visible()


def fold(error: Locator, frames: Locator) -> None:
    """Fold the traceback of an error. The page reads the log again after the end of a task, and unfolds it then."""
    for _ in range(5):
        error.click()
        with suppress(AssertionError):
            return expect(frames).to_be_hidden(timeout=5_000)
    return expect(frames).to_be_hidden()


def test_a_failure_says_its_reason(page: Page, demonstration: Demonstration, show: Callable[[str], None]) -> None:
    """The log names the run, mParticle's own words and what to do; the link to the run is there."""
    trigger(page, "mparticle_alert_on_failure")
    open_task(page, "sync_payments", "Deferred")
    demonstration.end_runs("failed")
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()

    reason = page.get_by_text(
        re.compile(rf"RunFailedError: Run \d+ of pipeline 'payments' failed: {re.escape(REASON)}")
    )
    expect(reason).to_have_count(1)
    page.keyboard.press("w")  # wraps the lines
    fold(reason, page.get_by_text("operators/trigger.py"))
    reason.evaluate("element => element.scrollIntoView({block: 'center'})")
    expect(reason).to_be_in_viewport(ratio=1)
    show("failure")
    alert = page.get_by_text("To data owners: mparticle_alert_on_failure")  # docs/how-to/airflow-ui.md says where it is
    expect(alert).to_be_hidden()
    page.get_by_text("Post Execute").last.click()
    expect(alert).to_be_visible()
    open_tab(page, "Details")
    expect(page.get_by_role("link", name=RunLink.name)).to_have_attribute("href", re.compile("/payments/"))

    page.get_by_role("button", name="Clear").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Deferred", exact=True).first).to_be_visible()
    demonstration.end_runs("success")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()


def test_an_example_explains_itself(page: Page) -> None:
    """Its details have its description, and its documentation is the text at the top of its file."""
    module = runpy.run_path(str(EXAMPLES / "trigger_and_wait.py"))
    words = module["__doc__"].split()
    page.goto("/dags/mparticle_trigger_and_wait/details")
    expect(page.get_by_text(module["dag"].description)).to_be_visible()
    page.get_by_role("button", name="Dag Docs").click()

    expect(page.get_by_role("dialog").get_by_text(" ".join(words[:6]))).to_be_visible()


def test_a_dag_file_that_is_copied_is_there_soon(page: Page, demonstration: Demonstration) -> None:
    """By default it takes up to five minutes, and the UI says "Dag Not Found" meanwhile."""
    [home] = re.findall(r"^DAG files and logs: +(.+)$", demonstration.guide, re.MULTILINE)
    text = (EXAMPLES / "trigger_and_wait.py").read_text().replace("mparticle_trigger_and_wait", "my_copy")
    page.goto("/dags")
    assert 404 == page.evaluate(STATUS_OF_COPY, 0)

    (Path(home) / "dags" / "my_copy.py").write_text(text)

    assert 200 == page.evaluate(STATUS_OF_COPY, SEEN_WITHIN_MS)


def test_the_printed_commands_work(demonstration: Demonstration) -> None:
    """A person copies them into another terminal."""
    assert {*PIPELINES} <= json.loads(demonstration.run_printed("What mParticle holds"))["pipelines"].keys()
    for label, state in (("End all runs now", "success"), ("Fail all runs now", "failed")):
        runs = f"{demonstration.simulator}/_simulator/pipelines/orders/runs"
        requests.post(runs, json={"state": "running"}, timeout=60)

        assert {"ended": 1} == json.loads(demonstration.run_printed(label))

        orders = json.loads(demonstration.run_printed("What mParticle holds"))["pipelines"]["orders"]
        assert [state] == [*orders["latest_run"].values()]

    assert {"scripted": "orders"} == json.loads(demonstration.run_printed("Fail orders next time"))
    assert "Connection success!" in demonstration.run_printed("Test a connection")
    assert "No faults." in demonstration.run_printed("Check the workspace")


def test_it_runs_until_ctrl_c(demonstration: Demonstration) -> None:
    """Every part is up after all that a person has done. Then no process is left, and no address answers."""
    parts = {"metadatabase", "scheduler", "triggerer", "dag_processor"}
    wait_until(lambda: {"healthy"} == {demonstration.health()[name] for name in parts})

    assert (0, "Stopped.\n", []) == demonstration.stop()

    for address in (demonstration.url, demonstration.simulator):
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=60)
