"""What is loaded when Airflow imports us, measured in interpreters of their own."""

from __future__ import annotations

import json
import subprocess
import sys

# What Airflow itself loads before it imports any operator; whatever of it is there already costs nobody anything.
AIRFLOW = "from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, BaseSensorOperator"
PACKAGE = "airflow_provider_mparticle"


def loaded_by(statement: str, after: str = "") -> set[str]:
    """Return the modules that a statement loads in a fresh interpreter, on top of those that *after* has loaded."""
    script = f"import json, sys\n{after}\nbefore = set(sys.modules)\n{statement}\nnew = set(sys.modules) - before"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nprint(json.dumps(sorted(new)))"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    """Return the packages at the top of modules."""
    return {module.partition(".")[0] for module in modules}


def test_a_dag_file_loads_no_http_library() -> None:
    """The DAG processor imports these for every DAG file, every 30 seconds."""
    new = loaded_by(f"import {PACKAGE}.operators, {PACKAGE}.sensors", after=AIRFLOW)

    assert {f"{PACKAGE}.operators", f"{PACKAGE}.sensors"} <= new
    assert set() == {"requests", "aiohttp", "tenacity"} & packages(new)
    assert set() == {f"{PACKAGE}.client.{name}" for name in ("sync", "aio", "retrying")} & new


def test_provider_info_loads_two_plain_modules() -> None:
    """Every Airflow process loads it, before anything else of ours."""
    new = loaded_by(f"from {PACKAGE}.provider_info import get_provider_info; get_provider_info()")

    ours = {PACKAGE, f"{PACKAGE}.connection_form", f"{PACKAGE}.provider_info"}
    assert ours == {module for module in new if module.partition(".")[0] not in sys.stdlib_module_names}
