"""A document is planned, applied, interrupted, completed and exported, over HTTP; and the operator that does it."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.providers.common.compat.sdk import DAG, AirflowFailException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sample_document import SAMPLE, sample

from airflow_provider_mparticle.client import retrying
from airflow_provider_mparticle.client.errors import (
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    ServerError,
)
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.secrets import without_secrets
from airflow_provider_mparticle.configuration import document as documents
from airflow_provider_mparticle.configuration.apply import apply_plan, export_document, read_workspace
from airflow_provider_mparticle.configuration.document import document_problems, load_document, parse_document
from airflow_provider_mparticle.configuration.plain_values import texts
from airflow_provider_mparticle.configuration.plan import Plan, plan
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleApplyOperator
from airflow_provider_mparticle.simulator import Fault, Simulator
from airflow_provider_mparticle.tasks import masking

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "document.schema.json").read_text())
PAGE = (ROOT / "docs" / "how-to" / "configuration.md").read_text()
SECRETS = ("bigquery-service-account-key", "snowflake-password", "customers-feed-key", "orders-feed-key")

Execute = Callable[[Any], Any]


@pytest.fixture
def simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    """An empty workspace."""
    return start_simulator()


@pytest.fixture
def hook(simulator: Simulator) -> MParticleHook:
    """A hook that is connected to it."""
    return MParticleHook()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send again after hundredths of seconds."""
    monkeypatch.setattr(retrying, "_jitter_s", lambda _: 0.01)


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The secrets that the operator lets Airflow mask."""
    found: list[str] = []
    monkeypatch.setattr(masking, "mask_secret", found.append)
    return found


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged, at any level. Airflow writes the log of operators elsewhere."""
    monkeypatch.setattr(MParticleApplyOperator, "log", logging.getLogger("operator"))
    caplog.set_level(logging.DEBUG)
    return caplog


def planned(hook: MParticleHook, content: dict[str, Any], *, prune: bool = False) -> Plan:
    """Plan a document against the workspace as it is now."""
    return plan(load_document(content), read_workspace(hook), prune=prune)


def applied(hook: MParticleHook, content: dict[str, Any], *, prune: bool = False) -> dict[str, Any]:
    """Plan and apply a document."""
    return apply_plan(hook, planned(hook, content, prune=prune))


def writes(simulator: Simulator) -> list[tuple[str, str]]:
    """Method and last part of the path of each request that may change something, without the login."""
    return [
        (request["method"], request["path"].rsplit("/", 1)[-1])
        for request in simulator.requests
        if request["method"] != "GET" and request["path"] != "/oauth/token"
    ]


# The life of a workspace


def test_a_document_is_applied_exported_and_applied_again(hook: MParticleHook, simulator: Simulator) -> None:
    """The export is what was applied, without secrets, and applying either again changes nothing."""
    done = applied(hook, sample())

    assert done["changed"]
    assert 10 == len(writes(simulator)) == sum(step["action"] == "create" for step in done["steps"])
    exported = export_document(hook)
    assert without_secrets(sample()) == exported

    for again in (sample(), exported):
        assert not applied(hook, again, prune=True)["changed"]
    assert 10 == len(writes(simulator))


def test_an_export_is_a_document(hook: MParticleHook, simulator: Simulator) -> None:
    """It can be written to a file, checked by an editor and read again; it has no empty sections."""
    simulator.add_pipeline("orders", partner_feed_key="orders-feed-key")

    exported = export_document(hook)

    assert ["connections", "data_models", "pipelines"] == list(exported)
    assert [] == document_problems(parse_document(json.dumps(exported)))
    assert [] == [error.message for error in Draft202012Validator(SCHEMA).iter_errors(exported)]
    assert "simulated" not in str(exported["connections"][0]["config"].get("password"))
    assert "****" not in str(exported)
    assert planned(hook, exported, prune=True).is_empty


def test_an_altered_document_changes_what_differs(hook: MParticleHook, simulator: Simulator) -> None:
    """One request for each resource that differs, and the right difference in the plan."""
    applied(hook, sample())
    content = sample()
    query = content["data_models"][1]["config"]["sql_query"]
    content["data_models"][1]["config"]["sql_query"] += " WHERE o.total > 0"
    content["pipelines"][1]["schedule"] = {"type": "interval", "frequency": "daily"}
    del content["pipelines"][1]["sync_mode"]["until"]

    changes = planned(hook, content)

    assert [
        "~ data model orders",
        f"    config.sql_query: '{query}' -> '{query} WHERE o.total > 0'",
        "~ pipeline orders-hourly",
        "    sync_mode.until: '2027-01-01T00:00:00Z' -> None",
        "    schedule.frequency: 'hourly' -> 'daily'",
        "0 to create, 2 to update, 8 unchanged, 0 to delete",
    ] == [line for line in changes.lines() if not line.startswith("=")]
    apply_plan(hook, changes)
    assert [("PUT", "orders"), ("PUT", "orders-hourly")] == writes(simulator)[10:]
    assert without_secrets(content) == export_document(hook)


def test_prune_removes_what_the_document_does_not_name(hook: MParticleHook, simulator: Simulator) -> None:
    """One document describes the whole workspace."""
    simulator.add_pipeline("old")

    applied(hook, sample(), prune=True)

    assert [("DELETE", "old"), ("DELETE", "old-model"), ("DELETE", "warehouse")] == writes(simulator)[10:]
    assert without_secrets(sample()) == export_document(hook)


def test_reading_a_workspace_is_four_requests(hook: MParticleHook, simulator: Simulator) -> None:
    """For any number of resources."""
    applied(hook, sample())
    before = simulator.count("GET", "/")

    found = read_workspace(hook)

    assert 4 == simulator.count("GET", "/") - before
    assert [2, 3, 2, 3] == [len(found.of(kind)) for kind in KINDS]


# Failures of a step


@pytest.mark.parametrize("number", range(10))
def test_a_failure_half_way_is_completed_by_applying_again(
    hook: MParticleHook, simulator: Simulator, number: int
) -> None:
    """Whichever step fails, the error says which steps were done, and no step is done twice."""
    simulator.inject(Fault(method="POST", path="/platform/", status=502, skip=number))
    steps = [str(step) for step in planned(hook, sample()).steps]

    with pytest.raises(ServerError) as failed:
        applied(hook, sample())

    done, left = str(failed.value).split(" Done before: ")[1].split(". Not done: ")
    assert (", ".join(steps[:number]) or "nothing") == done
    assert left.startswith(", ".join(steps[number:]) + ". The steps that were done stay")
    assert 502 == failed.value.status
    assert number == sum(len(found) for found in export_document(hook).values())

    applied(hook, sample())
    assert without_secrets(sample()) == export_document(hook)
    assert 11 == len(writes(simulator))


def test_a_lost_answer_to_a_creation_is_not_a_failure(hook: MParticleHook, simulator: Simulator) -> None:
    """The resource is read, and not created twice."""
    simulator.inject(Fault(method="POST", path="/connections", lose="after"))
    simulator.inject(Fault(method="POST", path="/data-pipelines", status=502, after=True))

    applied(hook, sample())

    assert 10 == len(writes(simulator))
    assert without_secrets(sample()) == export_document(hook)


class Interleaved:
    """Sends the calls of one writer; another one applies the same plan, some steps at a time, between them."""

    def __init__(self, hook: MParticleHook, other: Iterator[object], before: list[bool]) -> None:
        self.hook = hook
        self.other = other
        self.before = iter(before)

    def send(self, call: Any) -> Any:
        """Send one call, maybe after the next step of the other writer."""
        if call.method != "GET" and next(self.before, False):
            next(self.other, None)
        return self.hook.send(call)


def named_otherwise() -> dict[str, Any]:
    """The sample, with other names."""
    return {kind: [{**one, "name": f"{one['name']}, once"} for one in part] for kind, part in sample().items()}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(st.booleans(), max_size=12), exist=st.booleans())
def test_two_writers_may_apply_one_document_at_once(
    start_simulator: Callable[..., Simulator], before: list[bool], exist: bool
) -> None:
    """Two DAG runs may do so: whatever the order of their steps, both succeed, and the workspace is as described."""
    start_simulator()
    hook = MParticleHook()
    if exist:
        applied(hook, named_otherwise())
    steps = planned(hook, sample()).steps
    others = (apply_plan(hook, Plan((step,))) for step in steps)

    apply_plan(Interleaved(hook, others, before), Plan(steps))

    assert planned(hook, sample()).is_empty


def test_a_resource_that_another_writer_creates_otherwise_interrupts_the_plan(
    hook: MParticleHook, simulator: Simulator
) -> None:
    """The plan did not show this change, so it must be made again."""
    mine = planned(hook, sample())
    theirs = (applied(hook, named_otherwise()) for _ in range(1))

    with pytest.raises(InvalidRequestError, match="already exists"):
        apply_plan(Interleaved(hook, theirs, [True]), mine)


def test_a_lost_answer_to_a_deletion_is_not_a_failure(hook: MParticleHook, simulator: Simulator) -> None:
    """The request is sent again, and the resource has already been deleted."""
    simulator.add_pipeline("old")
    simulator.inject(Fault(method="DELETE", path="/old", lose="after"))

    applied(hook, {"pipelines": []}, prune=True)

    assert {"connections", "data_models"} == set(export_document(hook))


def test_a_lost_answer_to_an_update_is_not_a_failure(hook: MParticleHook, simulator: Simulator) -> None:
    """A PUT has the same effect when it is sent twice."""
    applied(hook, sample())
    content = sample()
    content["pipelines"][0]["name"] = "Renamed"
    simulator.inject(Fault(method="PUT", lose="after"))

    applied(hook, content)

    assert "Renamed" == hook.get_pipeline("customers-daily").name


def test_an_interrupted_update_says_what_is_left(hook: MParticleHook, simulator: Simulator) -> None:
    """mParticle's own words stay in the message, and the cause in the chain."""
    applied(hook, sample())
    content = sample()
    content["data_models"][0]["name"] = content["pipelines"][0]["name"] = "Renamed"
    simulator.inject(
        Fault(method="PUT", path="customers-daily", status=422, body={"errors": [{"message": "Not now."}]})
    )

    with pytest.raises(InvalidRequestError, match="Not now") as failed:
        applied(hook, content)

    assert "Done before: ~ data model customers. Not done: ~ pipeline customers-daily." in str(failed.value)
    assert isinstance(failed.value.__context__, InvalidRequestError)
    assert ("Not now.",) == failed.value.reasons


def test_an_update_whose_resource_cannot_be_read_is_not_written(hook: MParticleHook, simulator: Simulator) -> None:
    """A field that mParticle's list leaves out would be lost."""
    applied(hook, sample())
    content = sample()
    content["pipelines"][0]["name"] = "Renamed"
    changes = planned(hook, content)
    simulator.inject(Fault(method="GET", path="customers-daily", status=403, times=9))

    with pytest.raises(MParticleError, match=r"Done before: nothing\. Not done: ~ pipeline customers-daily\."):
        apply_plan(hook, changes)

    assert 0 == simulator.count("PUT", "customers-daily")


def test_a_workspace_that_cannot_be_read_after_the_changes_is_no_failure(
    hook: MParticleHook, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything is done; only the forms in which mParticle keeps values are not learned."""
    caplog.set_level(logging.INFO)
    changes = planned(hook, sample())
    simulator.inject(Fault(method="GET", path="", status=403, times=99))

    assert apply_plan(hook, changes)["changed"]
    assert "The workspace could not be read again after the changes" in caplog.text


def test_an_outage_before_the_first_step_says_that_nothing_is_done(
    hook: MParticleHook, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mParticle fails after the plan was made."""
    changes = planned(hook, sample())
    simulator.stop()

    with pytest.raises(NoAnswerError, match=r"Done before: nothing\. Not done: \+ connection events-bigquery, "):
        apply_plan(hook, changes)


def test_an_update_keeps_what_the_list_leaves_out(hook: MParticleHook, simulator: Simulator) -> None:
    """A PUT may replace the whole resource, so each resource is read before it is written."""
    applied(hook, sample())
    short = [{"id": "customers-daily", "name": "Customers, daily", "sync_mode": {"type": "incremental"}}]
    simulator.inject(Fault(method="GET", path="/data-pipelines", body=short))
    pipeline = {**sample()["pipelines"][0], "name": "Renamed"}
    del pipeline["environment"]

    applied(hook, {"pipelines": [pipeline]})

    body = next(one["body"] for one in simulator.requests if one["method"] == "PUT")
    assert "production" == body["environment"]


def test_a_change_of_a_pipeline_needs_the_key_that_only_mparticle_knows(
    hook: MParticleHook, simulator: Simulator
) -> None:
    """A PUT that replaces would delete it; without a change the document need not have it."""
    applied(hook, sample())
    content = without_secrets(sample())
    assert planned(hook, content).is_empty
    content["pipelines"][0]["name"] = "Renamed"

    with pytest.raises(InvalidRequestError, match="without its partner_feed_key"):
        applied(hook, content)

    assert [] == [one for one in simulator.requests if one["method"] == "PUT"]


def test_a_plan_with_refusals_is_not_applied(hook: MParticleHook, simulator: Simulator) -> None:
    """Not even the steps that would work are done."""
    applied(hook, sample())
    content = sample()
    content["data_models"][0]["name"] = "Renamed"
    content["pipelines"][0]["sync_mode"] = {"type": "full"}
    content["pipelines"][1]["connection_id"] = "nowhere"

    with pytest.raises(InvalidRequestError, match=r"cannot become 'full'.*'nowhere'.*Nothing was changed\.$"):
        applied(hook, content)

    assert 10 == len(writes(simulator))


# The operator


def operator(**options: Any) -> MParticleApplyOperator:
    """The operator with the sample, unless a test passes other arguments."""
    return MParticleApplyOperator(task_id="apply", **{"spec": sample(), **options})


@pytest.mark.parametrize("form", ["dict", "path", "text", "Path"])
def test_the_operator_takes_every_form_of_a_document(
    execute: Execute, simulator: Simulator, hook: MParticleHook, form: str
) -> None:
    """A dict, a path as text or object, or the text itself."""
    spec = {"dict": sample(), "path": str(SAMPLE), "text": SAMPLE.read_text(), "Path": SAMPLE}[form]

    result = execute(operator(spec=spec))

    assert result["changed"]
    assert not result["dry_run"]
    assert 10 == len(result["steps"])
    assert json.loads(json.dumps(result)) == result
    assert without_secrets(sample()) == export_document(hook)
    assert not execute(operator(spec=spec))["changed"]


def test_a_dry_run_changes_nothing_and_returns_whether_it_would(execute: Execute, simulator: Simulator) -> None:
    """The same steps as the real run returns."""
    dry = execute(operator(dry_run=True))
    assert [] == writes(simulator)
    real = execute(operator())

    assert {**real, "dry_run": True} == dry
    assert not execute(operator(dry_run=True))["changed"]


def test_the_operator_prunes_when_asked(execute: Execute, simulator: Simulator, hook: MParticleHook) -> None:
    """By default, resources that the document does not name are kept."""
    simulator.add_pipeline("old")

    execute(operator())
    assert "old" in [pipeline.id for pipeline in hook.list_pipelines()]
    execute(operator(prune=True))

    assert "old" not in [pipeline.id for pipeline in hook.list_pipelines()]


def test_all_problems_fail_the_task_at_once_and_nothing_is_sent(execute: Execute, simulator: Simulator) -> None:
    """A retry cannot cure them."""
    content = sample()
    content["pipelines"][0].pop("schedule")
    content["connections"][1]["id"] = "a b"

    with pytest.raises(
        AirflowFailException, match=r"connections\[1\]\.id may hold.*pipelines\[0\]\.schedule is missing"
    ):
        execute(operator(spec=content))

    assert [] == simulator.requests


@pytest.mark.parametrize("dry_run", [False, True])
def test_refusals_fail_the_task_after_the_plan_was_logged(
    execute: Execute, hook: MParticleHook, log: pytest.LogCaptureFixture, dry_run: bool
) -> None:
    """A dry run that hides them would be useless."""
    applied(hook, sample())
    content = sample()
    content["pipelines"][0]["sync_mode"] = {"type": "full"}

    with pytest.raises(AirflowFailException, match="cannot become 'full'"):
        execute(operator(spec=content, dry_run=dry_run))

    assert "~ pipeline customers-daily" in log.text


def test_templates_in_a_file_are_rendered_in_its_values(
    execute: Execute, simulator: Simulator, masked: list[str], tmp_path: Path
) -> None:
    """They are rendered after the file was read, so a password may have characters of YAML; Airflow stores the path."""
    secret = "*a: 'b\" #"
    path = tmp_path / "workspace.yaml"
    path.write_text(SAMPLE.read_text().replace("snowflake-password", '"{{ the_secret }}"'))
    task = operator(spec=str(path))

    result = task.execute({"the_secret": secret})

    assert result["changed"]
    assert str(path) == task.spec
    assert secret in masked


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(min_size=1, max_size=20) | st.sampled_from(["geheim #77 xyz", "a: b", "*a", "{x", "'", '"', "\n- b", "~"])
)
def test_templates_in_a_text_are_rendered_in_its_values(simulator: Simulator, masked: list[str], secret: str) -> None:
    """If the text was rendered before it is parsed, the password would end at " #", and the rest would be shown."""
    text = SAMPLE.read_text().replace("snowflake-password", '"{{ the_secret }}"')
    task = operator(spec=text, dry_run=True)

    task.render_template_fields({"the_secret": secret})

    configs = [connection["config"] for connection in task.spec["connections"]]
    assert [secret] == [config["password"] for config in configs if "password" in config]
    assert secret in masked


def test_a_text_may_be_one_template_for_a_document(simulator: Simulator, hook: MParticleHook) -> None:
    """For example, the XCom of a task that makes the document."""
    task = operator(spec=" {{ document }}\n")

    task.render_template_fields(
        {"document": "data_models: [{id: m, name: M, config: {sql_query: SELECT a FROM b.c.d}}]"}
    )
    task.execute({})

    assert ["m"] == [model.id for model in hook.list_data_models()]


def test_problems_of_a_text_have_lines(execute: Execute, simulator: Simulator) -> None:
    """They are found after its values were rendered."""
    with pytest.raises(AirflowFailException, match=r"data_models\[0\]\.names is not a field .*line 2"):
        execute(operator(spec="data_models:\n  - names: x\n    id: m\n"))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from([place for place, _ in texts(yaml.safe_load(SAMPLE.read_text())) if ".value" not in place])
)
@pytest.mark.parametrize("form", ["dict", "path", "text"])
def test_no_value_that_was_rendered_to_nothing_is_sent(
    simulator: Simulator, tmp_path: Path, form: str, place: str
) -> None:
    """If a connection of Airflow has no password, mParticle would get the password "None"."""
    content = sample()
    *parents, name = re.findall(r"[^.\[\]]+", place)
    inside: Any = content
    for step in parents:
        inside = inside[int(step)] if step.isdecimal() else inside[step]
    inside[name] = "{{ nothing }}"
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(content))
    task = operator(spec={"dict": content, "path": str(path), "text": json.dumps(content)}[form])
    task.render_template_fields({"nothing": None})

    with pytest.raises(AirflowFailException, match=f"{re.escape(place)} was rendered to 'None'"):
        task.execute({"nothing": None})

    assert [] == simulator.requests


def test_a_relative_path_is_looked_for_beside_the_dag(
    run_dag: Callable[[Any], Any], simulator: Simulator, hook: MParticleHook, tmp_path: Path
) -> None:
    """Airflow looks for templates there, too, whatever the working directory is; values are rendered as well."""
    (tmp_path / "more.yaml").write_text(
        "data_models:\n  - {id: '{{ dag.dag_id }}', name: Model, config: {sql_query: SELECT a.b FROM a.a a}}\n"
    )
    with DAG(
        "relative_path", schedule=None, start_date=datetime(2026, 1, 1), template_searchpath=[str(tmp_path)]
    ) as dag:
        MParticleApplyOperator(task_id="apply", spec="more.yaml")

    run = run_dag(dag)

    assert "success" == run.state
    assert ["relative_path"] == [model.id for model in hook.list_data_models()]


def test_a_missing_file_fails_the_task(execute: Execute, simulator: Simulator) -> None:
    """A retry cannot cure it."""
    with pytest.raises(AirflowFailException, match=r"Cannot read the document 'missing\.yaml'"):
        execute(operator(spec="missing.yaml"))


@pytest.mark.parametrize("form", ["dict", "path", "text"])
def test_secrets_are_masked_and_shown_nowhere(
    execute: Execute,
    simulator: Simulator,
    masked: list[str],
    log: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    """They are not in the log, the XCom or an error that repeats the request."""
    spec = {"dict": sample(), "path": str(SAMPLE), "text": SAMPLE.read_text()}[form]
    simulator.inject(
        Fault(method="POST", path="/data-pipelines", status=422, body={"errors": [{"message": f"Bad: {SECRETS[2]}"}]})
    )

    with pytest.raises(AirflowFailException) as failed:
        execute(operator(spec=spec))
    result = execute(operator(spec=spec))

    assert set(SECRETS) == set(masked)
    shown = f"{log.text}{capsys.readouterr()}{result}{failed.value}{failed.value.__cause__}"
    assert "+ pipeline orders-hourly" in shown
    assert [] == [secret for secret in SECRETS if secret in shown]


def test_the_operator_s_field_does_not_hide_airflow_s_dry_run(simulator: Simulator) -> None:
    """``airflow tasks test --dry-run`` of Airflow 2 calls a method of this name."""
    assert "dry_run" not in vars(operator(dry_run=True))


# The documentation


def test_documents_on_the_page_are_valid() -> None:
    """Users copy them."""
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    assert shown
    for text in shown:
        document = parse_document(text)
        assert [] == document_problems(document)
        assert [] == [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document.content)]


def test_the_page_shows_the_example_and_its_plan(hook: MParticleHook, simulator: Simulator) -> None:
    """The output is that of the example: first for a workspace with a warehouse, then after a change."""
    simulator.add_pipeline("orders")
    example = load_document(ROOT / "example_dags" / "workspace.yaml").content
    shown = [parse_document(text).content for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    outputs = [text.splitlines() for text in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)]

    assert example in shown
    assert planned(hook, example).lines() == outputs[0]
    applied(hook, example)
    changed = copy.deepcopy(example)
    changed["data_models"][0]["config"]["sql_query"] += "\nWHERE o.total > 0"
    changed["pipelines"][0]["schedule"] = {"type": "interval", "frequency": "daily", "delay": "1d"}
    del changed["field_transformations"]
    assert planned(hook, changed).lines() == outputs[1]


def test_the_page_names_the_suffixes_and_sections() -> None:
    """A list in a text is easily forgotten."""
    assert all(f"`{name}`" in PAGE for name in (*documents.SUFFIXES, *documents.SECTIONS))


def test_errors_keep_their_class_and_facts(hook: MParticleHook, simulator: Simulator) -> None:
    """Retry rules and callbacks read them."""
    simulator.inject(Fault(method="POST", path="/data-pipelines", status=403))

    with pytest.raises(MParticleError) as failed:
        applied(hook, sample())

    assert ("PermissionDeniedError", 403) == (type(failed.value).__name__, failed.value.status)
