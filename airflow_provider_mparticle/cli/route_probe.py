"""
Look for the routes of a workspace, with GET requests only.

The trigger route is never tried, since that would start a run: it follows from where the status and the runs are.
Each request is sent once, since what fails in passing is worth to be known, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.answer_fields import first_value
from airflow_provider_mparticle.client.endpoints import Scope
from airflow_provider_mparticle.client.errors import (
    MParticleError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
)
from airflow_provider_mparticle.client.paths import fill_path
from airflow_provider_mparticle.client.resource_kinds import KINDS, PIPELINE, Kind
from airflow_provider_mparticle.client.routes import CANDIDATE_ROUTES, DEFAULT_ROUTES
from airflow_provider_mparticle.client.storable import Json

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.sync import Client

# A workspace has at most 5 active pipelines, and one of the first has run as a rule.
PIPELINES_TRIED = 5


class Verdict(StrEnum):
    """What came of looking at one thing."""

    GOOD = "good"
    ANSWERS = "answers"
    INFERRED = "inferred"  # not tried, follows from what answers
    NOT_TRIED = "not tried"
    MOVED = "moved"  # answers, but not where the connection says
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    FAILED = "failed"
    UNKNOWN = "unknown"  # a word or a field that our tables do not have


@dataclass(frozen=True)
class ProbeResult:
    """What came of looking for one route; *path* is where it is, or where it was refused."""

    name: str
    verdict: Verdict
    text: str
    path: str | None = None
    answer: Json = field(default=None, repr=False)

    @property
    def base(self) -> str | None:
        """Where it answers."""
        return self.path if self.verdict is Verdict.ANSWERS else None


Runs = list[Mapping[str, Any]]


@dataclass
class Seen:
    """What was seen of a workspace; *silence* is the request that nobody answered, which ended the looking."""

    looks: dict[str, ProbeResult]
    runs: Runs = field(default_factory=list)
    silence: NoAnswerError | None = None


def not_tried(why: str) -> dict[str, ProbeResult]:
    """Say of every route that it was not tried."""
    return {name: ProbeResult(name, Verdict.NOT_TRIED, why) for name in DEFAULT_ROUTES}


def look_at_everything(client: Client) -> Seen:
    """Look for every route, until mParticle stops answering."""
    seen = Seen({})
    looks = seen.looks
    rest = "The doctor does not try this route."
    try:
        for kind in KINDS:
            looks[kind.plural] = _look(client, kind.plural)
        for kind in KINDS:
            looks[kind.name] = _look_at_one(client, kind, looks[kind.plural])
        seen.runs = _look_at_runs(client, looks)
        looks["trigger_pipeline"] = _look_from_afar_at_the_trigger(client.config, looks)
    except NoAnswerError as error:
        seen.silence = error
        rest = "mParticle stopped answering."
    seen.looks = {**not_tried(rest), **looks}
    return seen


def _look(client: Client, name: str, base: str = "", **ids: Any) -> ProbeResult:
    """Try the candidates of a route until one answers; of the refusals, 404 says least."""
    refusals: list[ProbeResult] = []
    paths = _candidates(client.config, name, base)
    for path in paths:
        try:
            return ProbeResult(name, Verdict.ANSWERS, "", path, _read(client, name, fill_path(path, ids)))
        except NoAnswerError:
            raise
        except NotFoundError:
            continue
        except MParticleError as error:
            refusals.append(ProbeResult(name, verdict_on(error), said_by(error), path))
    return refusals[0] if refusals else ProbeResult(name, Verdict.NOT_FOUND, f"404 at {', '.join(paths)}.")


def _candidates(config: ApiConfig, name: str, base: str) -> list[str]:
    """Name the paths to try: what the connection says first, if it says anything of its own."""
    configured = [] if config.routes[name] == DEFAULT_ROUTES[name] else [config.routes[name]]
    return list(dict.fromkeys([*configured, *(_below(base, path) for path in CANDIDATE_ROUTES[name])]))


def _below(base: str, candidate: str) -> str:
    """Put the path at which the list answers in the place of its name."""
    return candidate if candidate.startswith("/") else base + candidate[candidate.index("}") + 1 :]


def _read(client: Client, name: str, path: str) -> Json:
    params = {"currentPage": 1, "pageSize": endpoints.RUNS_PER_PAGE} if name == "pipeline_runs" else {}
    is_list = name in ("pipeline_runs", *(kind.plural for kind in KINDS))
    call = endpoints.request("GET", path, Scope.WORKSPACE, params)
    return client.send(replace(call, decode=_as_it_came(list if is_list else dict)), retry=False)


def _as_it_came(kind: type) -> Callable[[Json, Any], Json]:
    def decode(answer: Json, _: Any) -> Json:
        if not isinstance(answer, kind):
            raise TypeError(f"not a {kind.__name__}")
        return answer

    return decode


def _look_at_one(client: Client, kind: Kind[Any], listed: ProbeResult) -> ProbeResult:
    """Try the route of one resource with the first that the list names."""
    if listed.base is None:
        return ProbeResult(kind.name, Verdict.NOT_TRIED, f"The list of {kind.title}s does not answer.")
    if ids := _ids(listed.answer):
        return _look(client, kind.name, listed.base, **{kind.id_name: ids[0]})
    return _inferred(client.config, kind.name, listed.base, 0, f"There is no {kind.title} to try it with.")


def _ids(answer: Json) -> list[Any]:
    return [item["id"] for item in answer or () if isinstance(item, Mapping) and str(item.get("id") or "").strip()]


def _look_at_runs(client: Client, looks: dict[str, ProbeResult]) -> Runs:
    """Try the routes of status, runs and one run, with a pipeline that has run if there is one; return its runs."""
    listed = looks[PIPELINE.plural]
    why = "There is no pipeline to try it with." if listed.base else "The list of pipelines does not answer."
    for name in ("pipeline_status", "pipeline_runs", "pipeline_run"):
        looks[name] = ProbeResult(name, Verdict.NOT_TRIED, why)
    for pipeline_id in _ids(listed.answer)[:PIPELINES_TRIED]:
        if runs := _look_at_runs_of(client, str(listed.base), pipeline_id, looks):
            return runs
    return []


def _look_at_runs_of(client: Client, base: str, pipeline_id: Any, looks: dict[str, ProbeResult]) -> Runs:
    ids = {"pipeline_id": pipeline_id}
    status = _look(client, "pipeline_status", base, **ids)
    listed = _look(client, "pipeline_runs", base, **ids)
    for look in (status, listed):
        if looks[look.name].base is None:
            looks[look.name] = look
    runs = [run for run in ((status.answer or {}).get("latest_pipeline_run"), *(listed.answer or ())) if _is_run(run)]
    run_ids = [first_value(run, client.config.run_fields["pipeline_run_id"]) for run in runs]
    if any(run_id is not None for run_id in run_ids):
        ids["pipeline_run_id"] = next(run_id for run_id in run_ids if run_id is not None)
        looks["pipeline_run"] = _look(client, "pipeline_run", base, **ids)
    else:
        looks["pipeline_run"] = ProbeResult("pipeline_run", Verdict.NOT_TRIED, "No run was found to try it with.")
    return runs


def _is_run(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _look_from_afar_at_the_trigger(config: ApiConfig, looks: Mapping[str, ProbeResult]) -> ProbeResult:
    """Infer the trigger's route: v2's where the status or the runs are where v2 has them, else v1's."""
    base = looks[PIPELINE.plural].base or ""
    for name in ("pipeline_status", "pipeline_runs"):
        layouts = [_below(base, path) for path in CANDIDATE_ROUTES[name]]
        if (path := looks[name].base) in layouts:
            why = f"Never tried, since that would start a run; it follows from {path}."
            return _inferred(config, "trigger_pipeline", base, layouts.index(str(path)), why)
    why = "Never tried, since that would start a run; nothing that answers tells where it is."
    return ProbeResult("trigger_pipeline", Verdict.NOT_TRIED, why)


def _inferred(config: ApiConfig, name: str, base: str, layout: int, why: str) -> ProbeResult:
    """Take a route to be where the connection says, if that says so itself and fits; else at the candidate."""
    configured = config.routes[name]
    if configured != DEFAULT_ROUTES[name] and configured.startswith(f"{base}/"):
        return ProbeResult(name, Verdict.INFERRED, f"{why} The connection names it.", configured)
    return ProbeResult(name, Verdict.INFERRED, why, _below(base, CANDIDATE_ROUTES[name][layout]))


def verdict_on(error: MParticleError) -> Verdict:
    """Name what a refusal means for what was looked for."""
    if isinstance(error, NotFoundError):
        return Verdict.NOT_FOUND
    return Verdict.FORBIDDEN if isinstance(error, PermissionDeniedError) else Verdict.FAILED


def said_by(error: MParticleError) -> str:
    """Return the text of a refusal without its advice, which the doctor replaces."""
    if isinstance(error, PermissionDeniedError | NotFoundError):
        return f"{error.status}: {'; '.join(error.reasons) or 'no reason given'}"
    return str(error)
