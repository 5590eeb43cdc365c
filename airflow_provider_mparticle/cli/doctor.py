"""
The doctor: says what works in a workspace and where its routes are, after the login and GET requests only.

Source: the candidates of :data:`~airflow_provider_mparticle.client.routes.CANDIDATE_ROUTES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.cli.route_probe import (
    ProbeResult,
    Runs,
    Seen,
    Verdict,
    look_at_everything,
    not_tried,
    said_by,
    verdict_on,
)
from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.answer_fields import first_value
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.hooks import MParticleHook

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.config import ApiConfig
    from airflow_provider_mparticle.client.sync import Client

# Without these two a waiter cannot tell which run it looks at, or whether it has ended.
NEEDED_RUN_FIELDS = ("pipeline_run_id", "state")


FAULTS = (Verdict.MOVED, Verdict.FORBIDDEN, Verdict.NOT_FOUND, Verdict.FAILED, Verdict.UNKNOWN)


@dataclass(frozen=True)
class Finding:
    """
    One thing that was looked at.

    :param subject: ``login``, ``workspace``, ``account``, ``run_states``, ``run_fields``, or the name of a route.
    :param text: What was found, and what to do about it.
    :param path: Where the route is, as far as that is known.
    :param configured: Where the connection says that it is.
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
        """Return it as JSON."""
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
    What the doctor found.

    :param extra: What belongs into the extra of the Airflow connection: every route that is not where our defaults
        say, or nothing.
    """

    findings: tuple[Finding, ...]
    extra: Mapping[str, Any]

    @property
    def faults(self) -> list[Finding]:
        """The findings that the user has to correct."""
        return [finding for finding in self.findings if finding.is_fault]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "is_good": not self.faults,
            "findings": [finding.as_dict() for finding in self.findings],
            "extra": dict(self.extra),
        }


def examine(hook: MParticleHook) -> Report:
    """
    Log in, and look with GET requests at everything that the connection leads to.

    Each request is sent once: what fails in passing is a finding, too.

    :raises ConfigError: The Airflow connection is missing, or one of its fields is missing or malformed.
    """
    client = hook.get_conn()
    login = _login(client)
    seen = Seen(not_tried("The login failed.")) if login.is_fault else look_at_everything(client)
    return Report(
        (
            login,
            _workspace(client.config, seen),
            _account(client, login),
            *(_finding(look, client.config) for look in seen.looks.values()),
            _run_states(client.config, seen.runs),
            _run_fields(client.config, seen.runs),
        ),
        _extra(client.config, seen.looks),
    )


def _login(client: Client) -> Finding:
    try:
        client.log_in()
    except MParticleError as error:
        return Finding("login", Verdict.FAILED, str(error))
    return Finding("login", Verdict.GOOD, f"A token for {client.config.base_url}.")


def _workspace(config: ApiConfig, seen: Seen) -> Finding:
    """Judge the workspace by its four lists: one that answers is enough."""
    lists = [seen.looks[kind.plural] for kind in KINDS]
    verdicts = {look.verdict for look in lists}
    what = f"Workspace {config.workspace_id}"
    if seen.silence:
        return Finding("workspace", Verdict.FAILED, str(seen.silence))
    if Verdict.ANSWERS in verdicts:
        counts = [f"{len(look.answer)} {look.name.replace('_', ' ')}" for look in lists if look.base]
        return Finding("workspace", Verdict.GOOD, f"{what}: {', '.join(counts)}.")
    if verdicts == {Verdict.NOT_FOUND}:
        text = f"{what} answers 404 throughout: workspace_id or host is wrong, or these credentials have no access."
        return Finding("workspace", Verdict.NOT_FOUND, text)
    worst = next(look for look in lists if look.verdict is not Verdict.NOT_FOUND)
    return Finding("workspace", worst.verdict, f"{what}: {worst.text}")


def _account(client: Client, login: Finding) -> Finding:
    account_id, workspace_id = client.config.account_id, client.config.workspace_id
    if account_id is None:
        return Finding("account", Verdict.NOT_TRIED, "account_id is not set; only calls of the Platform API need it.")
    if login.is_fault:
        return Finding("account", Verdict.NOT_TRIED, "The login failed.")
    try:
        workspaces = client.send(endpoints.list_workspaces(), retry=False)
    except MParticleError as error:
        return Finding("account", verdict_on(error), f"GET /v1/workspace?accountId={account_id}: {said_by(error)}")
    names = ", ".join(f"{one.id} ({one.name})" for one in workspaces) or "none"
    missing = "" if str(workspace_id) in {str(one.id) for one in workspaces} else f"; {workspace_id} is none of them"
    return Finding("account", Verdict.GOOD, f"Account {account_id} has the workspaces {names}{missing}.")


def _finding(look: ProbeResult, config: ApiConfig) -> Finding:
    configured = config.routes[look.name]
    verdict, text = look.verdict, look.text
    if verdict is Verdict.ANSWERS and look.path != configured:
        verdict = Verdict.MOVED
    if verdict is not Verdict.NOT_TRIED and look.path not in (None, configured):
        text = f"{text} The connection says {configured}.".strip()
    return Finding(look.name, verdict, text, look.path, configured)


def _run_states(config: ApiConfig, runs: Runs) -> Finding:
    words = {str(first_value(run, config.run_fields["state"]) or "").strip().lower() for run in runs} - {""}
    if unknown := sorted(words - set(config.run_states)):
        text = (
            f"Unknown: {', '.join(unknown)}. A task waits for a run in such a state until its timeout. Say in the "
            f'connection\'s extra what it means, for example {{"run_states": {{"{unknown[0]}": "succeeded"}}}}.'
        )
        return Finding("run_states", Verdict.UNKNOWN, text)
    return _known("run_states", words, runs)


def _run_fields(config: ApiConfig, runs: Runs) -> Finding:
    names = {str(name) for run in runs for name in run}
    missing = [name for name in NEEDED_RUN_FIELDS if runs and not names & set(config.run_fields[name])]
    if missing:
        text = (
            f"No run has {' or '.join(missing)} under a name that we know; the names are {', '.join(sorted(names))}. "
            f'Say in the connection\'s extra which it is, for example {{"run_fields": {{"{missing[0]}": ["..."]}}}}.'
        )
        return Finding("run_fields", Verdict.UNKNOWN, text)
    unread = sorted(names - {name for aliases in config.run_fields.values() for name in aliases})
    return _known("run_fields", names, runs, f" Not read: {', '.join(unread)}." if unread else "")


def _known(subject: str, names: Iterable[str], runs: Runs, more: str = "") -> Finding:
    if not runs:
        return Finding(subject, Verdict.NOT_TRIED, "No run was found to look at.")
    return Finding(subject, Verdict.GOOD, f"Met: {', '.join(sorted(names))}.{more}")


def _extra(config: ApiConfig, looks: Mapping[str, ProbeResult]) -> dict[str, Any]:
    """Return the routes that are not at their defaults; what the connection says stands where nothing was found."""
    found = {look.name: look.path for look in looks.values() if look.verdict in (Verdict.ANSWERS, Verdict.INFERRED)}
    routes = {name: path for name, path in {**config.routes, **found}.items() if path != DEFAULT_ROUTES[name]}
    return {"routes": routes} if routes else {}
