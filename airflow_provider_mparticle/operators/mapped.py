"""Distinguishes an operator that a DAG file declares from one that Airflow creates for a mapped task."""

from __future__ import annotations

from typing import Any


def is_mapped(operator: Any) -> bool:
    """
    Return whether Airflow creates this operator for a mapped task.

    An error in a constructor normally becomes an import error of the DAG file. In a mapped task it would lead to a
    retry instead, so a mapped task checks its arguments when it is executed. Airflow 2 and 3 set the attribute before
    they call the constructor.
    """
    return getattr(operator, "_BaseOperator__from_mapped", False) is True
