"""Runs one measurement in the environment of a provider: ``python -m benchmarks.inside MODULE ORDER``."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.desk import Desk

# The line of a measurement that begins so is its result; whatever else is printed is noise of its libraries.
RESULT = "RESULT "


def main(module: str, order: str) -> None:
    """Call ``inside`` of a module of this package with what is ordered, and print what it returns."""
    options = json.loads(order)
    api = Desk(options.pop("url"), options.pop("desk"))
    result = import_module(f"benchmarks.{module}").inside(options.pop("name"), api, **options)
    print(f"\n{RESULT}{json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
