"""The same environment has the same effect with both drivers, with a real proxy and a private authority."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from hostile_calls import Send, config_for
from raw_server import RawServer, answer

from airflow_provider_mparticle.client import endpoints, errors

pytestmark = pytest.mark.slow

TRIGGER = endpoints.trigger_pipeline("orders")
NAME = "api.mparticle.test"  # only the proxy knows this name, not a name server
LOGIN = "us%40er:PROXY%3APASS"
LIMIT_S = 20.0
VARIABLES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """An authority that no system trusts, and the file with its certificate."""
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "own-ca.pem"
    ca.cert_pem.write_to_path(path)
    return ca, path


@pytest.fixture(scope="module")
def api(authority: tuple[trustme.CA, Path]) -> Iterator[RawServer]:
    """An encrypted server with a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert(NAME, "localhost").configure_cert(context)
    with RawServer(lambda _: [answer(b'{"pipeline_run_id": 7}')], context) as server:
        yield server


@contextmanager
def real_proxy(folder: Path, *options: str) -> Iterator[str]:
    """Run proxy.py, and yield its address."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port_file)]
    names = ["--plugins", "loopback_names.LoopbackNames", "--num-workers", "1", "--num-acceptors", "1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *names, *options], cwd=Path(__file__).parent, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        give_up_at = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().strip()):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        yield f"127.0.0.1:{port_file.read_text().split()[0]}"
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A proxy without a login."""
    with real_proxy(tmp_path_factory.mktemp("proxy")) as address:
        yield address


@pytest.fixture(scope="module")
def proxy_with_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A proxy that needs a login."""
    with real_proxy(tmp_path_factory.mktemp("proxy"), "--basic-auth", "us@er:PROXY:PASS") as address:
        yield address


@pytest.fixture
def said(send: Send, api: RawServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Trigger in an environment, and return the id of the run or the message of the error."""

    def trigger(environ: dict[str, str], host: str = NAME) -> str:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        try:
            return str(send(TRIGGER, config_for(f"https://{host}:{api.port}", LIMIT_S)))
        except errors.MParticleError as error:
            return "The run may have been started." if error.may_have_executed else str(error)

    return trigger


REACHED = "7"
# Environment -> result. PROXY and CLOSED are replaced by addresses, CA by a file, FOLDER by the folder of that file.
ENVIRONMENTS: dict[str, tuple[dict[str, str], str]] = {
    "upper case": ({"HTTPS_PROXY": "http://PROXY", "REQUESTS_CA_BUNDLE": "CA"}, REACHED),
    "lower case": ({"https_proxy": "http://PROXY", "CURL_CA_BUNDLE": "CA"}, REACHED),
    "without a scheme": ({"HTTPS_PROXY": "PROXY", "SSL_CERT_FILE": "CA"}, REACHED),
    "for all schemes": ({"ALL_PROXY": "http://PROXY", "REQUESTS_CA_BUNDLE": "CA"}, REACHED),
    "a login that is not needed": ({"HTTPS_PROXY": f"http://{LOGIN}@PROXY", "SSL_CERT_FILE": "CA"}, REACHED),
    "no certificate": ({"HTTPS_PROXY": "http://PROXY"}, "its certificate is not trusted .* the system"),
    "a missing certificate": (
        {"HTTPS_PROXY": "http://PROXY", "REQUESTS_CA_BUNDLE": "/no/such"},
        "REQUESTS_CA_BUNDLE names '/no/such', which is missing",
    ),
    "no server listens": (
        {"HTTPS_PROXY": "http://CLOSED", "REQUESTS_CA_BUNDLE": "CA"},
        r"No answer from POST .* through the proxy http://CLOSED \(HTTPS_PROXY\)",
    ),
    "an exception": (
        {"HTTPS_PROXY": "http://PROXY", "NO_PROXY": ".mparticle.test", "REQUESTS_CA_BUNDLE": "CA"},
        r"No answer from POST api\.mparticle\.test:\d+\S*: ",  # directly, where the name is unknown
    ),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_an_environment_means_the_same_to_both_drivers(
    said: Callable[..., str], proxy: str, authority: tuple[trustme.CA, Path], case: str
) -> None:
    """Otherwise a worker could start a run that the triggerer cannot reach."""
    environ, expected = ENVIRONMENTS[case]
    stand_ins = {"PROXY": proxy, "CLOSED": "127.0.0.1:1", "CA": str(authority[1])}

    def filled(text: str) -> str:
        return re.sub(r"\b(PROXY|CLOSED|CA)\b(?![%:]3A)", lambda found: stand_ins[found[0]], text)

    values = {name: value if value == "/no/such" else filled(value) for name, value in environ.items()}

    assert re.match(rf".*{filled(expected)}", said(values), re.DOTALL)


def test_a_proxy_gets_its_login(
    said: Callable[..., str], proxy_with_login: str, authority: tuple[trustme.CA, Path]
) -> None:
    """Its special characters are in the address as %XX."""
    assert said({"HTTPS_PROXY": f"http://{LOGIN}@{proxy_with_login}", "SSL_CERT_FILE": str(authority[1])}) == REACHED


@pytest.mark.parametrize("login", ["", "us%40er:WR0NGPASS@"])
def test_a_refused_login_is_reported_without_showing_it(
    said: Callable[..., str],
    proxy_with_login: str,
    authority: tuple[trustme.CA, Path],
    login: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The password was once in the log of the triggerer, and in the event that Airflow stores."""
    caplog.set_level("DEBUG")

    text = said({"HTTPS_PROXY": f"http://{login}{proxy_with_login}", "SSL_CERT_FILE": str(authority[1])})

    assert (
        f"through the proxy http://{proxy_with_login} (HTTPS_PROXY): the proxy refused the connection with 407" in text
    )
    assert "PASS" not in text + caplog.text


def test_this_machine_is_reached_without_the_proxy(
    said: Callable[..., str], authority: tuple[trustme.CA, Path]
) -> None:
    """A proxy that does not work has no effect on it."""
    assert said({"HTTPS_PROXY": "http://127.0.0.1:1", "REQUESTS_CA_BUNDLE": str(authority[1])}, "localhost") == REACHED


def test_a_certificate_for_another_name_is_not_trusted(
    said: Callable[..., str], authority: tuple[trustme.CA, Path]
) -> None:
    """The authority is trusted, but the certificate is for another server."""
    assert "its certificate is not trusted" in said({"REQUESTS_CA_BUNDLE": str(authority[1])}, "127.0.0.1")
