"""Tells a task that Airflow makes of a mapped operator while it runs from one that a DAG file declares."""

from __future__ import annotations

from typing import Any


def is_mapped(operator: Any) -> bool:
    """
    Return whether Airflow has made the operator of a mapped one.

    A constructor that raises is an import error of the DAG file otherwise, but here the task would be retried, so its
    arguments are checked when it is executed. Airflow 2 and 3 set the attribute before they call the constructor.
    """
    return getattr(operator, "_BaseOperator__from_mapped", False) is True
