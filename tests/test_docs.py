"""The documentation shows what the code does."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import airflow
import pytest
import requests
import yaml

from airflow_provider_mparticle.client import config, errors, models
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES, route_table
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.connection import form
from airflow_provider_mparticle.links import PipelineLink, RunLink
from airflow_provider_mparticle.simulator import Simulator

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
AIRFLOW = Path(airflow.__path__[0])
# Named beside the name that it has since Airflow 3.
OF_AIRFLOW_2 = {("core", "strict_dataset_uri_validation")}
FENCE = re.compile(r"(?:<!-- example: (\S+) (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[Any]:
    """All fenced blocks of a language, each named by its page and number."""
    found = []
    for page in PAGES:
        for number, (example, region, kind, code) in enumerate(FENCE.findall(page.read_text())):
            if kind == language:
                name = f"{page.relative_to(ROOT)}:{number}"
                found.append(pytest.param(example, region, code, id=name))
    return found


@pytest.mark.parametrize(("example", "region", "code"), blocks("python"))
def test_python_in_the_docs_runs(
    example: str, region: str, code: str, simulator: Simulator, tmp_path: Path, airflow_db: None
) -> None:
    """A block is either a region of a tested example DAG, or it can be executed."""
    if example:
        assert re.sub(r"\s", "", code) in re.sub(r"\s", "", (ROOT / "example_dags" / example).read_text())
        assert f"# [START {region}]" in (ROOT / "example_dags" / example).read_text()
        return
    if "from airflow.sdk import" in code:
        pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="this block shows what Airflow 3.3 can do")
    script = tmp_path / "block.py"
    script.write_text(code)

    runpy.run_path(str(script))


CURL = [
    pytest.param(line, id=line.removeprefix("curl ")[:60])
    for block in blocks("shell")
    for line in block.values[2].splitlines()
    if line.startswith("curl ") and "/_simulator" in line
]


@pytest.mark.parametrize("command", CURL)
def test_a_curl_command_in_the_docs_controls_the_simulator(command: str, simulator: Simulator) -> None:
    """The simulator accepts what a page sends to it."""
    words = shlex.split(command)
    [address] = [word for word in words if "/_simulator" in word]
    body = words[words.index("-d") + 1] if "-d" in words else None

    answer = requests.request(
        "POST" if body or "POST" in words else "GET",
        address.replace("localhost:8090", simulator.url),
        data=body,
        timeout=60,
    )

    assert 200 == answer.status_code, answer.text


@pytest.mark.parametrize(("example", "region", "code"), blocks("json"))
def test_json_in_the_docs_is_json(example: str, region: str, code: str) -> None:
    """Users can paste the JSON, and the connection accepts the routes in it."""
    shown = json.loads(code)

    assert set(DEFAULT_ROUTES) == set(route_table(shown.get("routes", {})))


def test_the_readme_s_dag_starts_one_run(
    run_dag: Callable[[Any], Any], start_simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    """The first code that a new user sees works. One line is added to get the DAG."""
    simulator = start_simulator(run_s=0.0)
    simulator.add_pipeline("orders")
    code = next(code for _, _, kind, code in FENCE.findall((ROOT / "README.md").read_text()) if kind == "python")
    script = tmp_path / "readme_dag.py"
    script.write_text(code.replace("catchup=False):", "catchup=False) as dag:"))

    run = run_dag(runpy.run_path(str(script))["dag"])

    assert "success" == run.state
    assert 1 == simulator.starts("orders")


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link names a file of the repository."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert [] == broken


def test_the_connection_page_names_every_field_route_and_default() -> None:
    """The page and the tables of the code agree."""
    page = (ROOT / "docs/how-to/connection.md").read_text()

    labels = {f"extra `{name}`": label for name, (label, _, _) in form.EXTRA_FIELDS.items()} | form.RELABELING
    missing = [name for name, label in labels.items() if f"| {name} | {label} |" not in page]
    missing += [f"{name} {path}" for name, path in DEFAULT_ROUTES.items() if f"| `{name}` | `{path}` |" not in page]
    missing += [name for name in RUN_FIELDS if f"`{name}`" not in page]
    missing += [default for default in (config.DEFAULT_TOKEN_URL, config.DEFAULT_BASE_URL) if default not in page]

    assert [] == missing


def test_the_pages_about_the_ui_call_things_as_the_ui_does() -> None:
    """A reader looks for these words in Airflow."""
    pages = {name: (ROOT / f"docs/how-to/{name}.md").read_text() for name in ("airflow-ui", "connection")}

    missing = [f"{name}: {form.RARE_SECTION}" for name, page in pages.items() if f"*{form.RARE_SECTION}*" not in page]
    missing += [link.name for link in (PipelineLink, RunLink) if f"*{link.name}*" not in pages["airflow-ui"]]

    assert [] == missing


def test_the_operators_page_names_errors_that_exist() -> None:
    """A user copies these names into retry rules."""
    page = (ROOT / "docs/how-to/operators.md").read_text()

    named = set(re.findall(r"`((?!Airflow)\w+Error)`", page))

    assert named
    assert named <= {name for name in vars(errors) if name.endswith("Error")}


def test_the_shown_result_has_the_keys_of_a_result() -> None:
    """Users rely on the keys of the result of a task."""
    page = (ROOT / "docs/how-to/operators.md").read_text()
    shown = next(json.loads(code) for _, _, kind, code in FENCE.findall(page) if kind == "json")

    assert list(models.PipelineRun("orders").as_dict()) == list(shown)


@pytest.fixture(scope="module")
def airflow_options() -> dict[str, set[str]]:
    """The options of each section of Airflow's configuration, those of the Celery provider included."""
    from airflow.providers.celery.get_provider_info import get_provider_info

    sections = yaml.safe_load((AIRFLOW / "config_templates" / "config.yml").read_text()) | get_provider_info()["config"]
    return {name: {*section["options"]} for name, section in sections.items()}


def test_the_options_of_airflow_in_the_docs_are_airflow_s(airflow_options: dict[str, set[str]]) -> None:
    """Airflow silently ignores an unknown option."""
    named = {one for page in PAGES for one in re.findall(r"`\[(\w+)\] (\w+)", page.read_text())} - OF_AIRFLOW_2

    assert len(named) > 5
    assert [] == [(section, option) for section, option in named if option not in airflow_options.get(section, ())]


def test_the_options_in_the_values_for_helm_are_airflow_s(airflow_options: dict[str, set[str]]) -> None:
    """The chart copies them into Airflow's configuration."""
    values = yaml.safe_load((ROOT / "docs" / "how-to" / "helm-values.yaml").read_text())

    assert [] == [
        f"[{section}] {option}"
        for section, options in values["config"].items()
        for option in options
        if option not in airflow_options.get(section, set())
    ]


def test_the_metrics_to_watch_are_airflow_s() -> None:
    """An alert on a metric that does not exist never fires."""
    sent = yaml.safe_load((AIRFLOW / "_shared" / "observability" / "metrics" / "metrics_template.yaml").read_text())
    page = (ROOT / "docs" / "how-to" / "scale.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", page.partition("## What to watch")[2], re.MULTILINE)
    watched = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]

    assert len(watched) > 8
    assert [] == [name for name in watched if name not in {metric["name"] for metric in sent["metrics"]}]
