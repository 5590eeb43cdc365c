"""
Finds out where the routes of a workspace are, with GET requests only.

It must not start a run, so it never tries the trigger route: that route is inferred from the status route and the runs
route. Each request is sent once, so that temporary failures are reported too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.answer_fields import first_value, items_in, object_in
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

# A workspace has at most 5 active pipelines, and normally one of the first has had a run.
PIPELINES_TRIED = 5

NO_PROBE = "The doctor does not try this route."
AFTER_SILENCE = "mParticle did not answer an earlier request."
TRIGGER_NOT_TRIED = "Not tried, because a request would start a run"


class Verdict(StrEnum):
    """The result of a check."""

    GOOD = "good"
    ANSWERS = "answers"
    INFERRED = "inferred"  # not tried, but follows from the routes that answer
    NOT_TRIED = "not tried"
    MOVED = "moved"  # answers, but the connection has another path
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    FAILED = "failed"
    UNKNOWN = "unknown"  # a word or a field that is not in our tables


@dataclass(frozen=True)
class ProbeResult:
    """
    What the probe found out about one route.

    :param name: Name of the route.
    :param text: The details, for the user.
    :param path: Path at which the route answers, or at which it was refused. Default: unknown.
    :param answer: The answer. Default: none.
    """

    name: str
    verdict: Verdict
    text: str
    path: str | None = None
    answer: Json = field(default=None, repr=False)

    @property
    def base(self) -> str | None:
        """The path at which the route answers, or None."""
        return self.path if self.verdict is Verdict.ANSWERS else None


Runs = list[Mapping[str, Any]]


@dataclass
class RouteProbe:
    """
    The probe of one workspace. It stops sending requests after the first one that mParticle does not answer.

    :param results: What was found out about each route, by its name.
    :param runs: The runs of the first pipeline that has some.
    :param silence: The error of the request that was not answered. Default: none, every request was answered.
    """

    client: Client
    results: dict[str, ProbeResult] = field(default_factory=dict)
    runs: Runs = field(default_factory=list)
    silence: NoAnswerError | None = None

    def probe_all(self) -> None:
        """Probe every route."""
        for kind in KINDS:
            self.results[kind.plural] = self._probe(kind.plural)
        for kind in KINDS:
            self.results[kind.name] = self._probe_one(kind)
        self._probe_runs()
        self.results["trigger_pipeline"] = self._infer_trigger()
        without = {name: ProbeResult(name, Verdict.NOT_TRIED, NO_PROBE) for name in DEFAULT_ROUTES}
        self.results = {**without, **self.results}

    def _probe(self, name: str, base: str = "", **ids: Any) -> ProbeResult:
        """Try the candidates of a route until one answers. A refusal other than 404 says more, so it is preferred."""
        if self.silence:
            return ProbeResult(name, Verdict.NOT_TRIED, AFTER_SILENCE)
        refusals: list[ProbeResult] = []
        paths = _candidates(self.client.config, name, base)
        for path in paths:
            try:
                answer = _read(self.client, name, fill_path(path, ids))
                return ProbeResult(name, Verdict.ANSWERS, "", path, answer)
            except NoAnswerError as error:
                self.silence = error
                return ProbeResult(name, Verdict.FAILED, f"mParticle stopped answering. {error}", path)
            except NotFoundError:
                continue
            except MParticleError as error:
                refusals.append(ProbeResult(name, verdict_on(error), reason_of(error), path))
        return refusals[0] if refusals else ProbeResult(name, Verdict.NOT_FOUND, f"404 at {', '.join(paths)}.")

    def _probe_one(self, kind: Kind[Any]) -> ProbeResult:
        """Try the route of one resource with the first resource of the list."""
        listed = self.results[kind.plural]
        if listed.base is None:
            return ProbeResult(kind.name, Verdict.NOT_TRIED, f"The list of {kind.title}s does not answer.")
        if ids := _ids(listed.answer):
            return self._probe(kind.name, listed.base, **{kind.id_name: ids[0]})
        return self._inferred(kind.name, listed.base, 0, f"The workspace has no {kind.title} to try it with.")

    def _probe_runs(self) -> None:
        """Try the routes of status, runs and one run, with the first pipeline that has runs."""
        listed = self.results[PIPELINE.plural]
        why = (
            "The workspace has no pipeline to try it with." if listed.base else "The list of pipelines does not answer."
        )
        for name in ("pipeline_status", "pipeline_runs", "pipeline_run"):
            self.results[name] = ProbeResult(name, Verdict.NOT_TRIED, why)
        for pipeline_id in _ids(listed.answer)[:PIPELINES_TRIED]:
            self.runs = self._probe_runs_of(str(listed.base), pipeline_id)
            if self.runs or self.silence:
                return

    def _probe_runs_of(self, base: str, pipeline_id: Any) -> Runs:
        ids = {"pipeline_id": pipeline_id}
        status = self._probe("pipeline_status", base, **ids)
        listed = self._probe("pipeline_runs", base, **ids)
        for result in (status, listed):
            if self.results[result.name].base is None:
                self.results[result.name] = result
        found = ((status.answer or {}).get("latest_pipeline_run"), *(listed.answer or ()))
        runs = [run for run in found if isinstance(run, Mapping) and run]
        run_ids = [first_value(run, self.client.config.run_fields["pipeline_run_id"]) for run in runs]
        if any(run_id is not None for run_id in run_ids):
            ids["pipeline_run_id"] = next(run_id for run_id in run_ids if run_id is not None)
            self.results["pipeline_run"] = self._probe("pipeline_run", base, **ids)
        else:
            why = AFTER_SILENCE if self.silence else "No run was found to try it with."
            self.results["pipeline_run"] = ProbeResult("pipeline_run", Verdict.NOT_TRIED, why)
        return runs

    def _infer_trigger(self) -> ProbeResult:
        """Infer the trigger route: it belongs to the layout, v2 or v1, in which the status or the runs answer."""
        base = self.results[PIPELINE.plural].base or ""
        for name in ("pipeline_status", "pipeline_runs"):
            layouts = [_below(base, path) for path in CANDIDATE_ROUTES[name]]
            if (path := self.results[name].base) in layouts:
                why = f"{TRIGGER_NOT_TRIED}. It follows from {path}."
                return self._inferred("trigger_pipeline", base, layouts.index(str(path)), why)
        why = f"{TRIGGER_NOT_TRIED}, and it does not follow from a route that answers."
        return ProbeResult("trigger_pipeline", Verdict.NOT_TRIED, why)

    def _inferred(self, name: str, base: str, layout: int, why: str) -> ProbeResult:
        """Return the path of the connection if it has one that fits, else the candidate of a layout."""
        configured = self.client.config.routes[name]
        if configured != DEFAULT_ROUTES[name] and configured.startswith(f"{base}/"):
            return ProbeResult(name, Verdict.INFERRED, f"{why} The connection names it.", configured)
        return ProbeResult(name, Verdict.INFERRED, why, _below(base, CANDIDATE_ROUTES[name][layout]))


def verdict_on(error: MParticleError) -> Verdict:
    """Return the verdict for a refusal."""
    if isinstance(error, NotFoundError):
        return Verdict.NOT_FOUND
    return Verdict.FORBIDDEN if isinstance(error, PermissionDeniedError) else Verdict.FAILED


def reason_of(error: MParticleError) -> str:
    """Return the text of a refusal without its advice, because the doctor gives advice itself."""
    if isinstance(error, PermissionDeniedError | NotFoundError):
        return f"{error.status}: {'; '.join(error.reasons) or 'no reason given'}"
    return str(error)


def _candidates(config: ApiConfig, name: str, base: str) -> list[str]:
    """Return the paths to try. The path of the connection comes first, if it is not the default."""
    configured = [] if config.routes[name] == DEFAULT_ROUTES[name] else [config.routes[name]]
    return list(dict.fromkeys([*configured, *(_below(base, path) for path in CANDIDATE_ROUTES[name])]))


def _below(base: str, candidate: str) -> str:
    """Replace the name of the list at the beginning of a candidate by the path at which the list answers."""
    return candidate if candidate.startswith("/") else base + candidate[candidate.index("}") + 1 :]


def _read(client: Client, name: str, path: str) -> Json:
    params = {"currentPage": 1, "pageSize": endpoints.RUNS_PER_PAGE} if name == "pipeline_runs" else {}
    decode = items_in if name in ("pipeline_runs", *(kind.plural for kind in KINDS)) else object_in
    call = endpoints.request("GET", path, Scope.WORKSPACE, params)
    return client.send(replace(call, decode=lambda answer, _: decode(answer)), retry=False)


def _ids(answer: Json) -> list[Any]:
    return [item["id"] for item in answer or () if isinstance(item, Mapping) and str(item.get("id") or "").strip()]
