"""Runs one measurement in the environment of a provider: ``python -m benchmarks.run_in_env MODULE ORDER``."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.fake_api_control import FakeApiControl

# The prefix of the line with the result; libraries may print other lines.
RESULT = "RESULT "


def main(module: str, order: str) -> None:
    """Call ``run_in_env`` of a module of this package with the options of the order, and print what it returns."""
    options = json.loads(order)
    api = FakeApiControl(options.pop("url"), options.pop("control"))
    result = import_module(f"benchmarks.{module}").run_in_env(options.pop("name"), api, **options)
    print(f"\n{RESULT}{json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
