"""A simulator for each test, and a caller with a token that uses it over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_mparticle.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AUDIENCE = "https://api.mparticle.com"


class Caller:
    """Logs in once and calls the API with the token. It does not use the provider's client."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy between a test and this machine
        self.log_in()

    def log_in(self) -> requests.Response:
        """Request a token with the simulator's current credentials, and keep it."""
        body = {
            "client_id": self.simulator.client_id,
            "client_secret": self.simulator.client_secret,
            "audience": AUDIENCE,
            "grant_type": "client_credentials",
        }
        answer = self.session.post(self.simulator.token_url, json=body, timeout=60)
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call a path below the workspace, or the whole path if it starts with /v1 or /platform."""
        whole = path.startswith(("/v1", "/platform", "/_simulator"))
        base = "" if whole else f"/platform/v2/workspaces/{self.simulator.workspace_id}"
        return self.session.request(method, self.simulator.url + base + path, timeout=60, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.call("POST", path, json=body)

    def put(self, path: str, body: Any) -> requests.Response:
        return self.call("PUT", path, json=body)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)

    def trigger(self, pipeline_id: str = "orders") -> requests.Response:
        return self.post(f"/inputs/data-pipelines/{pipeline_id}/trigger")

    def status(self, pipeline_id: str = "orders") -> requests.Response:
        return self.get(f"/inputs/data-pipelines/{pipeline_id}/status")

    def runs(self, pipeline_id: str = "orders", **query: Any) -> requests.Response:
        return self.get(f"/inputs/data-pipelines/{pipeline_id}/status/runs", **query)

    def run(self, run_id: int, pipeline_id: str = "orders") -> requests.Response:
        return self.get(f"/inputs/data-pipelines/{pipeline_id}/status/runs/{run_id}")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator with the pipeline ``orders`` whose runs take a long time."""
    with Simulator(run_s=60) as simulator:
        simulator.add_pipeline("orders")
        yield simulator


@pytest.fixture
def caller(simulator: Simulator) -> Caller:
    """A caller with a token for the simulator."""
    return Caller(simulator)


@pytest.fixture
def log_in() -> Callable[[Simulator], Caller]:
    """Log in to a simulator that the test made itself."""
    return Caller
