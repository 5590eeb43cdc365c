"""Runs ``python -m airflow_provider_mparticle.simulator``, which serves a simulated mParticle until Ctrl-C."""

from __future__ import annotations

import argparse
import math
import shlex
import signal
import sys
import threading

from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.simulator import Simulator


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_mparticle.simulator",
        description="Serve a simulated mParticle on 127.0.0.1: OAuth, Platform API v1 and Warehouse Sync. "
        "It keeps everything in memory and connects to no other host.",
        epilog="Control it under /_simulator: GET /_simulator shows its state, "
        "POST /_simulator/faults makes requests fail, DELETE /_simulator/faults removes these faults.",
    )
    parser.add_argument("--port", type=_port, default=8090, help="TCP port, 0 for any free one (default: %(default)s)")
    parser.add_argument(
        "--run-seconds",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="duration of a run from its trigger to its end (default: %(default)s)",
    )
    parser.add_argument(
        "--layout",
        choices=("v2", "v1"),
        default="v2",
        help="routes and run fields of Warehouse Sync v2 or of its 2023 v1 (default: %(default)s)",
    )
    parser.add_argument(
        "--pipeline",
        action="append",
        metavar="ID",
        help="pipeline to add at the start; may be repeated (default: orders)",
    )
    return parser.parse_args(argv)


def _port(text: str) -> int:
    if not 0 <= (port := int(text)) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {port}")
    return port


def _seconds(text: str) -> float:
    if not 0 <= (seconds := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0, not {text}")
    return seconds


def _banner(simulator: Simulator, pipelines: list[str], run_s: float) -> str:
    connection = shlex.quote(simulator.airflow_connection_json())
    fault = '{"path": "/trigger", "status": 503}'
    return f"""\
Simulated mParticle at {simulator.url} (workspace {simulator.workspace_id}, account {simulator.account_id})
Pipelines, full and on demand: {", ".join(pipelines)}. A run takes {run_s:g} s.

Connect Airflow to it:
export AIRFLOW_CONN_MPARTICLE_DEFAULT={connection}

Show what happened, or answer the next trigger request with 503:
curl -s {simulator.url}/_simulator
curl -s {simulator.url}/_simulator/faults -d {shlex.quote(fault)}

Press Ctrl-C to stop."""


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code: 2 if the port is in use or a pipeline is refused."""
    arguments = _arguments(argv)
    pipelines = arguments.pipeline or ["orders"]
    simulator = Simulator(arguments.port, run_s=arguments.run_seconds, layout=arguments.layout)
    for pipeline_id in pipelines:
        try:
            simulator.add_pipeline(pipeline_id)
        except Refusal as error:
            print(f"--pipeline {pipeline_id!r} is refused: {' '.join(error.messages)}", file=sys.stderr)
            return 2
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        simulator.start()
    except OSError as error:
        print(f"Cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}. Try --port 0.", file=sys.stderr)
        return 2
    print(_banner(simulator, pipelines, arguments.run_seconds), flush=True)
    ended.wait()
    simulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
