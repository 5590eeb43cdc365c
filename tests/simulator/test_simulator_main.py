"""``python -m airflow_provider_mparticle.simulator`` works as a user starts it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import airflow_provider_mparticle
from airflow_provider_mparticle.simulator.__main__ import main

COMMAND = [sys.executable, "-m", "airflow_provider_mparticle.simulator"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(airflow_provider_mparticle.__file__).parents[1])}


@pytest.fixture
def started():
    """Start the command on a free port and read what it prints up to its last line."""
    processes = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [*COMMAND, "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        processes.append(process)
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        return process, printed

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def exported(printed: str) -> dict:
    """Return the connection in the printed line, as a shell reads it."""
    line = next(line for line in printed.splitlines() if line.startswith("export "))
    name, _, value = shlex.split(line)[1].partition("=")
    assert "AIRFLOW_CONN_MPARTICLE_DEFAULT" == name
    return json.loads(value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        *((["--port", odd], "argument --port: ") for odd in ("-1", "65536", "99999", "x", "1.5", "")),
        *((["--run-seconds", odd], "argument --run-seconds: ") for odd in ("nan", "inf", "1e400", "-5", "x")),
        *((["--pipeline", odd], f"--pipeline {odd!r} is refused: id ") for odd in ("", "a/b", "a b", "ä", "a\n")),
        (
            ["--pipeline", "a", "--pipeline", "a"],
            "--pipeline 'a' is refused: A pipeline with the id 'a' already exists",
        ),
    ],
)
def test_wrong_arguments_are_said_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user sees what to correct, and not the code of the simulator."""
    try:
        code = main(["--port", "0", *arguments])
    except SystemExit as ended:  # of argparse
        code = ended.code

    assert 2 == code
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_ends_cleanly(started, number):
    """Ctrl-C is the normal end, and not an error."""
    process, printed = started("--pipeline", "people")
    connection = exported(printed)
    overview = requests.get(connection["host"] + "/_simulator", timeout=60).json()
    process.send_signal(number)

    assert ["people"] == list(overview["pipelines"])
    assert 0 == process.wait(timeout=60)


def test_it_ends_while_a_query_has_no_end(started):
    """A query in progress must not keep the process alive."""
    process, printed = started("--pipeline", "endless")
    connection = exported(printed)
    control = connection["host"] + "/_simulator"
    requests.post(control + "/sources", json={"table": "t", "rows": [{"id": 1}]}, timeout=60)
    endless = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT count(*) AS id FROM n, t"
    put_sql(connection, "endless-model", endless)
    with pytest.raises(requests.ReadTimeout):  # the run reads at once, so the answer waits for the query
        requests.post(control + "/pipelines/endless/runs", json={"state": "success"}, timeout=0.5)
    process.send_signal(signal.SIGTERM)

    assert 0 == process.wait(timeout=120)


def put_sql(connection: dict, data_model_id: str, sql: str) -> None:
    """Log in with the printed connection, and change the SQL of a data model."""
    login = {
        "client_id": connection["login"],
        "client_secret": connection["password"],
        "audience": "https://api.mparticle.com",
        "grant_type": "client_credentials",
    }
    token = requests.post(connection["extra"]["token_url"], json=login, timeout=60).json()["access_token"]
    url = f"{connection['host']}/platform/v2/workspaces/1234/data-models/{data_model_id}"
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.put(url, json={"config": {"sql_query": sql}}, headers=headers, timeout=60).ok


def test_the_printed_curl_example_works(started):
    """The printed commands work when a user pastes them."""
    _, printed = started()
    line = next(line for line in printed.splitlines() if "/faults" in line)
    url, body = shlex.split(line)[2], shlex.split(line)[-1]

    answer = requests.post(url, data=body, timeout=60)

    assert 503 == answer.json()["faults"][0]["status"]


def test_the_line_to_paste_of_the_v1_layout_carries_its_routes(started):
    """The shell does not change braces and quotes."""
    _, printed = started("--layout", "v1")

    assert "/data-pipelines/{pipeline_id}" == exported(printed)["extra"]["routes"]["pipeline"]


def test_a_port_in_use_is_said_in_one_line(simulator):
    """A second simulator on the same port is a likely mistake."""
    port = simulator.url.rsplit(":", 1)[1]

    ended = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)

    assert 2 == ended.returncode
    assert f"Cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert 1 == len(ended.stderr.splitlines())
