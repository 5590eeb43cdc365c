"""Operators executed as Airflow's task runner does it, for what needs no whole DAG."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Render an operator's fields and execute it, without what only a task runner knows."""
    # Airflow refuses to execute an operator outside of its own task runner.
    safeguard = importlib.import_module(BaseOperator.__module__).ExecutorSafeguard
    monkeypatch.setattr(safeguard, "test_mode", True)

    def run(operator: Any) -> Any:
        operator.render_template_fields({})
        return operator.execute({})

    return run
