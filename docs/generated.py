"""
The part of the reference that Sphinx makes from the code while it builds the site.

A page asks for it with a directive, for example ``{generated} routes``. Each function here that has the name of such a
part returns Markdown. A fact stays in the code; nothing here repeats one.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import schemas
import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from airflow_provider_mparticle import hooks, operators
from airflow_provider_mparticle.cli import parser
from airflow_provider_mparticle.client import (
    answer_body,
    config,
    endpoints,
    errors,
    models,
    rate_limit,
    refusals,
    retrying,
    routes,
    run_fields,
    run_states,
    token_cache,
)
from airflow_provider_mparticle.configuration import document_parser, plan, sql_checks
from airflow_provider_mparticle.connection import form
from airflow_provider_mparticle.runs import outcome, run_matching, start
from airflow_provider_mparticle.slices import arguments
from airflow_provider_mparticle.tasks import failures
from airflow_provider_mparticle.telemetry import metrics
from dev import messages

ROOT = Path(__file__).parents[1]
_PARAMETER = re.compile(r"^:param (\w+): (.*(?:\n    .*)*)", re.MULTILINE)


def classes() -> Iterator[str]:
    """Yield the operators, by their public names."""
    for name in operators.__all__:
        yield from _autodoc("autoclass", f"airflow_provider_mparticle.operators.{name}")


def hook_methods() -> Iterator[str]:
    """Yield the methods of the hook that users call."""
    public = [name for name in vars(hooks.MParticleHook) if not name.startswith(("_", "get_connection_form", "get_ui"))]
    methods = ", ".join(name for name in public if inspect.isroutine(getattr(hooks.MParticleHook, name)))
    yield from _autodoc("autoclass", "airflow_provider_mparticle.hooks.MParticleHook", f"   :members: {methods}")


def results() -> Iterator[str]:
    """Yield what the hook returns, each class with its attributes."""
    for kind in (
        *(models.PipelineRun, models.PipelineStatus),
        *(models.Pipeline, models.DataModel, models.FieldTransformation, models.WarehouseConnection),
        *(models.Feed, models.WorkspaceItem, models.Audience),
    ):
        meanings = {
            name: " ".join(text.split())
            for base in reversed(kind.__mro__)
            for name, text in _PARAMETER.findall(inspect.cleandoc(base.__doc__ or ""))
        }
        yield from (f"## {kind.__name__}", "", _PARAMETER.sub("", inspect.cleandoc(kind.__doc__ or "")), "")
        rows = [(f"`{one.name}`", _code(str(one.type)), meanings[one.name]) for one in dataclasses.fields(kind)]
        rows += [
            (f"`{name}`", _code(inspect.signature(one.fget).return_annotation), inspect.getdoc(one) or "")
            for name, one in vars(kind).items()
            if isinstance(one, property) and one.fget
        ]
        yield from schemas.table(("attribute", "type", "meaning"), rows)


def error_tree() -> Iterator[str]:
    """Yield the tree of the error classes, as their module draws it."""
    doc = inspect.getdoc(errors) or ""
    yield from ("```text", inspect.cleandoc(doc.partition("::\n")[2].partition("\nEach class")[0]), "```")


def error_classes() -> Iterator[str]:
    """Yield for each error that is raised: what it means, whether a retry can help, its statuses, and its messages."""
    said: dict[str, set[str]] = {}
    for name, text in messages.errors():
        said.setdefault(name, set()).add(text)
    statuses: dict[str, list[int]] = {}
    for status, (kind, _) in refusals._DECIDED.items():
        statuses.setdefault(kind.__name__, []).append(status)
    for name, kind in errors._BY_NAME.items():
        yield from (f"### {name}", "", inspect.getdoc(kind) or "", "")
        yield from (f"- *In a task:* {_retried(kind)}.",)
        if name in statuses:
            yield f"- *Statuses:* {', '.join(map(str, statuses[name]))}"
        yield f"- *Where it is:* under {', '.join(f'`{base.__name__}`' for base in kind.__mro__[1:-3])}"
        if name in said:
            yield from ("", *(f"  - {_code(text)}" for text in sorted(said[name])))
        yield ""


def _retried(kind: type[errors.MParticleError]) -> str:
    if issubclass(kind, failures.NON_RETRYABLE):
        return "a retry cannot help, so the task fails at once with `AirflowFailException`"
    if kind.is_transient:
        return "a later attempt may succeed: a waiting task continues, and a call that is safe to repeat is repeated"
    return "Airflow retries the task as `retries` says"


def connection_fields() -> Iterator[str]:
    """Yield the fields of an Airflow connection, from the form."""
    rows = [(f"`{name}`", label, "string", form.PLACEHOLDERS[name]) for name, label in form.RELABELING.items()]
    rows += [(f"extra `{name}`", label, kind, text) for name, (label, kind, text) in form.EXTRA_FIELDS.items()]
    yield from schemas.table(("field", "label in the form", "type", "meaning"), rows)


def route_table() -> Iterator[str]:
    """Yield the routes, with the paths that the doctor tries."""
    rows = [
        (f"`{name}`", f"`{path}`", ", ".join(f"`{one}`" for one in routes.CANDIDATE_ROUTES[name]))
        for name, path in routes.DEFAULT_ROUTES.items()
    ]
    yield from schemas.table(("route", "default path below the workspace", "paths that the doctor tries"), rows)


def run_state_table() -> Iterator[str]:
    """Yield the words for the state of a run."""
    yield from schemas.table(
        ("word", "meaning"), [(f"`{word}`", f"`{one}`") for word, one in run_states.RUN_STATES.items()]
    )


def run_field_table() -> Iterator[str]:
    """Yield the names of the fields of a run."""
    rows = [(f"`{name}`", ", ".join(f"`{one}`" for one in names)) for name, names in run_fields.RUN_FIELDS.items()]
    yield from schemas.table(("field", "names that are read, in this order"), rows)


def commands() -> Iterator[str]:
    """Yield the help of each command."""
    whole = parser._parser()
    subparsers: Any = next(action for action in whole._actions if hasattr(action, "choices") and action.choices)
    for command in parser.COMMANDS:
        yield from (f"## {command.name}", "", f"{command.summary}.", "")
        yield from ("```text", subparsers.choices[command.name].format_help().strip(), "```", "")


def limits() -> Iterator[str]:
    """Yield the limits, each with the comment above it in the code: reason, source and date."""
    of_mparticle = [
        ("records of one on-demand run", arguments, "MAX_RECORDS"),
        ("active pipelines", plan, "MAX_ACTIVE"),
        ("columns of a data model", sql_checks, "MAX_COLUMNS"),
    ]
    ours = [
        ("seconds for one exchange, by default", config, "DEFAULT_TIMEOUT_S"),
        ("seconds for one exchange, at most", config, "LONGEST_TIMEOUT_S"),
        ("bytes of an answer", answer_body, "LONGEST_BODY"),
        ("values in an answer, in a triggerer", answer_body, "MAX_VALUES_IN_LOOP"),
        ("attempts of a call that is safe to repeat", retrying, "ATTEMPTS"),
        ("seconds of `Retry-After` after which a call fails", retrying, "LONGEST_RETRYING_S"),
        ("factor by which pauses grow near the rate limit", rate_limit, "MAX_SLOWDOWN"),
        ("seconds before its end in which a token is renewed", token_cache, "TOKEN_LEEWAY_S"),
        ("runs in one page of a list", endpoints, "RUNS_PER_PAGE"),
        ("seconds after which a run that is missing is lost", outcome, "MISSING_GRACE_S"),
        ("seconds by which a run may be listed late", run_matching, "LATE_S"),
        ("trigger requests whose answers are all lost", start, "STARTS"),
        ("bytes of a document", document_parser, "MAX_BYTES"),
    ]
    for title, rows in (("mParticle's", of_mparticle), ("Ours", ours)):
        yield from (f"## {title}", "")
        cells = [
            (what, f"{getattr(module, name):,}".removesuffix(".0"), _comment(module, name))
            for what, module, name in rows
        ]
        yield from schemas.table(("what", "limit", "reason or source"), cells)


def calls() -> Iterator[str]:
    """Yield every call of ``openapi.yaml``, by tag, with links to what it sends and answers."""
    described = _openapi()
    for tag in described["tags"]:
        rows = []
        for path, item in described["paths"].items():
            for method in ("get", "post", "put", "delete"):
                call = item.get(method)
                if call and tag["name"] in call["tags"]:
                    sure = call.get("x-confidence", item.get("x-confidence", ""))
                    text = call.get("description", item.get("description", ""))
                    what = " ".join((f"{call.get('summary', '')}.", *_traffic(described, item, call)))
                    rows.append((f"`{method.upper()} {path}`", what, sure, text))
        yield from (f"## {tag['name']}", "", tag["description"], "")
        yield from schemas.table(("call", "what it does", "how sure", "source and notes"), rows)


def _openapi() -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    return described


def _traffic(described: Mapping[str, Any], item: Mapping[str, Any], call: Mapping[str, Any]) -> Iterator[str]:
    """Yield the query of a call, what it sends, and what it answers in case of success."""
    parts = described["components"]
    parameters = [_part(parts["parameters"], one) for one in (*item.get("parameters", ()), *call.get("parameters", ()))]
    if query := [f"`{one['name']}`" for one in parameters if one["in"] == "query"]:
        yield f"Query: {', '.join(query)}."
    sent = [_part(parts["requestBodies"], call["requestBody"])] if "requestBody" in call else []
    answered = [_part(parts["responses"], one) for status, one in call["responses"].items() if status.startswith("2")]
    for word, bodies in (("Sends", sent), ("Answers", answered)):
        bare = [one["content"]["application/json"]["schema"] for one in bodies if "content" in one]
        if types := {schemas.Schemas(parts["schemas"]).type_of(one) for one in bare}:
            yield f"{word} {' or '.join(sorted(types))}."


def _part(parts: Mapping[str, Any], referred: Mapping[str, str]) -> Any:
    return parts[referred["$ref"].rpartition("/")[2]]


def parameters_of_calls() -> Iterator[str]:
    """Yield what is in the path or the query of a call."""
    parts = _openapi()["components"]
    of_fields = schemas.Schemas(parts["schemas"])
    rows = [
        (f"`{one['name']}`", one["in"], of_fields.type_of(one["schema"]), one["x-confidence"], one["description"])
        for one in parts["parameters"].values()
    ]
    yield from schemas.table(("parameter", "place", "type", "how sure", "meaning"), rows)


def refusals_of_calls() -> Iterator[str]:
    """Yield the answers that are not a success, by status."""
    described = _openapi()
    answers = described["components"]["responses"]
    meanings: dict[str, set[str]] = {}
    for item in described["paths"].values():
        for method in item.keys() & {"get", "post", "put", "delete"}:
            for status, answer in item[method]["responses"].items():
                if not status.startswith("2"):
                    text = _part(answers, answer)
                    meanings.setdefault(status, set()).add(f"{text['description']} ({text['x-confidence']})")
    rows = [(status, " Or: ".join(sorted(said))) for status, said in sorted(meanings.items())]
    yield from schemas.table(("status", "meaning (how sure)"), rows)


def schemas_of_calls() -> Iterator[str]:
    """Yield what calls send and answer, field by field."""
    yield from schemas.Schemas(_openapi()["components"]["schemas"], "###").sections()


def document_schema() -> Iterator[str]:
    """Yield the fields of a document, by what they belong to."""
    whole = json.loads((ROOT / "airflow_provider_mparticle/configuration/document.schema.json").read_text())
    yield from schemas.Schemas({"document": whole, **whole["$defs"]}).sections()


def metric_table() -> Iterator[str]:
    """Yield the metrics."""
    rows = [(f"`{one.name}`", one.kind, one.outcome, one.meaning) for one in metrics.METRICS]
    yield from schemas.table(("metric", "kind", "`outcome`", "meaning"), rows)


def examples() -> Iterator[str]:
    """Yield the example DAGs."""
    for path in sorted((ROOT / "example_dags").iterdir()):
        if path.suffix in (".py", ".yaml"):
            language = "python" if path.suffix == ".py" else "yaml"
            yield from (f"## {path.name}", "", f"```{language}", path.read_text().rstrip(), "```", "")


def _autodoc(directive: str, name: str, *options: str) -> Iterator[str]:
    yield from ("```{eval-rst}", f".. {directive}:: {name}", *options, "```", "")


def _code(text: str) -> str:
    """Return a text as a code span, whatever it holds."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {' '.join(text.split())} {fence}"


def _comment(module: Any, name: str) -> str:
    """Return the comment above a constant."""
    lines = inspect.getsource(module).splitlines()
    at = next(number for number, line in enumerate(lines) if re.match(rf"{name}\b.* = ", line))
    found: list[str] = []
    while at and lines[at - 1].startswith("#"):
        at -= 1
        found.insert(0, lines[at].removeprefix("#").strip())
    return " ".join(found)


class Generated(Directive):
    """Put a part that is made from the code in the place of the directive."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the part, parsed as Markdown."""
        lines = "\n".join(globals()[self.arguments[0]]()).splitlines()
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(StringList(lines, self.arguments[0]), self.content_offset, parent, match_titles=True)
        return parent.children


def setup(app: Any) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
