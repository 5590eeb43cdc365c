"""
The doctor: reports what works in a workspace and where its routes are. It sends only the login and GET requests.

Source of the paths that it tries: :data:`~airflow_provider_mparticle.client.routes.CANDIDATE_ROUTES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.cli.route_probe import (
    ProbeResult,
    RouteProbe,
    Verdict,
    reason_of,
    verdict_on,
)
from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.answer_fields import first_value
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.client.run_states import state_word
from airflow_provider_mparticle.client.shown import counted
from airflow_provider_mparticle.hooks import MParticleHook

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.sync import Client

# Without these two fields a task cannot recognize its run, or see whether the run has ended.
NEEDED_RUN_FIELDS = ("pipeline_run_id", "state")

# The verdicts that the user has to act on.
FAULTS = (Verdict.MOVED, Verdict.FORBIDDEN, Verdict.NOT_FOUND, Verdict.FAILED, Verdict.UNKNOWN)


@dataclass(frozen=True)
class Finding:
    """
    The result of one check.

    :param subject: ``login``, ``workspace``, ``account``, ``run_states``, ``run_fields``, or the name of a route.
    :param text: What was found, and what to do about it.
    :param path: The path of the route. Default: unknown.
    :param configured: The path that the Airflow connection has for the route. Default: the subject is not a route.
    """

    subject: str
    verdict: Verdict
    text: str
    path: str | None = None
    configured: str | None = None

    @property
    def is_fault(self) -> bool:
        """Whether the user has to correct something."""
        return self.verdict in FAULTS or self.path not in (None, self.configured)

    def as_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return {
            "subject": self.subject,
            "verdict": str(self.verdict),
            "is_fault": self.is_fault,
            "path": self.path,
            "text": self.text,
        }


@dataclass(frozen=True)
class Report:
    """
    The results of all checks.

    :param extra: What to put into the extra of the Airflow connection: the routes that differ from our defaults. Empty
        if none do.
    """

    findings: tuple[Finding, ...]
    extra: Mapping[str, Any]

    @property
    def faults(self) -> list[Finding]:
        """The findings that the user has to act on."""
        return [finding for finding in self.findings if finding.is_fault]

    def as_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return {
            "is_good": not self.faults,
            "findings": [finding.as_dict() for finding in self.findings],
            "extra": dict(self.extra),
        }


def examine(hook: MParticleHook) -> Report:
    """
    Log in, and check with GET requests everything that the Airflow connection is used for.

    Each request is sent once, so that temporary failures are reported too. After a failed login nothing else is tried.

    :raises ConfigError: The Airflow connection is missing, or one of its fields is missing or malformed.
    """
    client = hook.get_conn()
    login = _login(client)
    if login.is_fault:
        return Report((login,), {})
    probe = RouteProbe(client)
    probe.probe_all()
    return Report(
        (
            login,
            _workspace(probe),
            _account(client),
            *(_finding(result, client.config) for result in probe.results.values()),
            _run_states(probe),
            _run_fields(probe),
        ),
        _extra(client.config, probe.results),
    )


def _login(client: Client) -> Finding:
    try:
        client.log_in()
    except MParticleError as error:
        return Finding("login", Verdict.FAILED, f"{error} Nothing else was tried.")
    return Finding("login", Verdict.GOOD, f"A token for {client.config.base_url}.")


def _workspace(probe: RouteProbe) -> Finding:
    """Evaluate the workspace by its four lists. It is good if one of them answers."""
    lists = [probe.results[kind.plural] for kind in KINDS]
    verdicts = {result.verdict for result in lists}
    what = f"Workspace {probe.client.config.workspace_id}"
    if probe.silence:
        return Finding("workspace", Verdict.FAILED, str(probe.silence))
    if Verdict.ANSWERS in verdicts:
        counts = [
            counted(len(result.answer), kind.title) for kind, result in zip(KINDS, lists, strict=True) if result.base
        ]
        return Finding("workspace", Verdict.GOOD, f"{what}: {', '.join(counts)}.")
    if verdicts == {Verdict.NOT_FOUND}:
        text = f"{what}: every list answers 404. workspace_id or host is wrong, or these credentials have no access."
        return Finding("workspace", Verdict.NOT_FOUND, text)
    worst = next(result for result in lists if result.verdict is not Verdict.NOT_FOUND)
    return Finding("workspace", worst.verdict, f"{what}: {worst.text}")


def _account(client: Client) -> Finding:
    account_id, workspace_id = client.config.account_id, client.config.workspace_id
    if account_id is None:
        return Finding("account", Verdict.NOT_TRIED, "account_id is not set. Only calls of the Platform API need it.")
    try:
        workspaces = client.send(endpoints.list_workspaces(), retry=False)
    except MParticleError as error:
        return Finding("account", verdict_on(error), f"GET /v1/workspace?accountId={account_id}: {reason_of(error)}")
    names = ", ".join(f"{one.id} ({one.name})" for one in workspaces) or "none"
    missing = "" if str(workspace_id) in {str(one.id) for one in workspaces} else f", but not {workspace_id}"
    return Finding("account", Verdict.GOOD, f"Account {account_id} has these workspaces: {names}{missing}.")


def _finding(result: ProbeResult, config: ApiConfig) -> Finding:
    configured = config.routes[result.name]
    verdict, text = result.verdict, result.text
    if verdict is Verdict.ANSWERS and result.path != configured:
        verdict = Verdict.MOVED
    if verdict is not Verdict.NOT_TRIED and result.path not in (None, configured):
        text = f"{text} The connection has {configured}.".strip()
    return Finding(result.name, verdict, text, result.path, configured)


def _run_states(probe: RouteProbe) -> Finding:
    config = probe.client.config
    words = {state_word(first_value(run, config.run_fields["state"])) for run in probe.runs} - {""}
    if unknown := sorted(words - set(config.run_states)):
        text = (
            f"Unknown: {', '.join(unknown)}. A task waits for a run in such a state until its timeout. Add the meaning "
            f'to the extra of the connection, for example {{"run_states": {{"{unknown[0]}": "succeeded"}}}}.'
        )
        return Finding("run_states", Verdict.UNKNOWN, text)
    return _known("run_states", words, probe)


def _run_fields(probe: RouteProbe) -> Finding:
    config, runs = probe.client.config, probe.runs
    names = {str(name) for run in runs for name in run}
    missing = [name for name in NEEDED_RUN_FIELDS if runs and not names & set(config.run_fields[name])]
    if missing:
        text = (
            f"No run has a known name for {' or '.join(missing)}. The names are {', '.join(sorted(names))}. Add the "
            f'right name to the extra of the connection, for example {{"run_fields": {{"{missing[0]}": ["..."]}}}}.'
        )
        return Finding("run_fields", Verdict.UNKNOWN, text)
    unread = sorted(names - {name for aliases in config.run_fields.values() for name in aliases})
    return _known("run_fields", names, probe, f" Not read: {', '.join(unread)}." if unread else "")


def _known(subject: str, names: Iterable[str], probe: RouteProbe, more: str = "") -> Finding:
    if not probe.runs:
        return Finding(subject, Verdict.NOT_TRIED, probe.results["pipeline_run"].text)
    return Finding(subject, Verdict.GOOD, f"Found: {', '.join(sorted(names))}.{more}")


def _extra(config: ApiConfig, results: Mapping[str, ProbeResult]) -> dict[str, Any]:
    """Return the routes that differ from the defaults. A route that was not found keeps the path of the connection."""
    known = (Verdict.ANSWERS, Verdict.INFERRED)
    found = {result.name: result.path for result in results.values() if result.verdict in known}
    routes = {name: path for name, path in {**config.routes, **found}.items() if path != DEFAULT_ROUTES[name]}
    return {"routes": routes} if routes else {}
