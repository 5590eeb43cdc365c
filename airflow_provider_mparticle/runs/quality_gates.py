"""Checks the record counts of a run that succeeded against the gates of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal

from airflow_provider_mparticle.client.errors import ConfigError, DataGateError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.storable import INTEGERS_BELOW

OnEmpty = Literal["success", "skip", "fail"]
ON_EMPTY: tuple[OnEmpty, ...] = ("success", "skip", "fail")


@dataclass(frozen=True, kw_only=True)
class Gates:
    """
    Conditions on the record counts of a run that succeeded.

    :param min_records: Smallest number of ingested records. Default: no condition.
    :param max_failed_ratio: Largest share of rejected records, from 0 to 1. Default: no condition.
    :param on_empty: What happens after a run that neither ingested nor rejected a record: the task succeeds, is
        skipped or fails. Default: it succeeds.
    :raises ConfigError: A parameter is out of its range.
    """

    min_records: int | None = None
    max_failed_ratio: float | None = None
    on_empty: OnEmpty = "success"

    def __post_init__(self) -> None:
        least = self.min_records
        if least is not None and not (_is_number(least, int) and 0 <= least < INTEGERS_BELOW):
            raise _refused("min_records", "a number of records from 0", least)
        ratio = self.max_failed_ratio
        if ratio is not None and not (_is_number(ratio, int | float) and 0 <= ratio <= 1):
            raise _refused("max_failed_ratio", "a share from 0 to 1", ratio)
        if not isinstance(self.on_empty, str) or self.on_empty not in ON_EMPTY:
            raise _refused("on_empty", f"one of {', '.join(ON_EMPTY)}", self.on_empty)

    @property
    def accept_everything(self) -> bool:
        """Whether there are no conditions, so that every run passes."""
        return self == Gates()

    def skips(self, run: Mapping[str, Any]) -> bool:
        """Return whether the task is skipped because its run read nothing."""
        return self.on_empty == "skip" and _is_empty(run)

    def passes(self, run: Mapping[str, Any]) -> bool:
        """Return whether a run passes. A run for which the task is skipped does not pass."""
        try:
            self.check(run)
        except DataGateError:
            return False
        return not self.skips(run)

    def check(self, run: Mapping[str, Any]) -> None:
        """
        Check a run that succeeded.

        :param run: What a task returns for its run, see :meth:`PipelineRun.as_dict`.
        :raises DataGateError: The run does not pass, or mParticle did not report the counts that a gate needs.
        """
        succeeded, failed = run["successful_records"], run["failed_records"]
        if self.on_empty != "success" and succeeded is None:
            raise _unknown(run, f"on_empty={self.on_empty!r}")
        if self.on_empty == "fail" and _is_empty(run):
            raise _not_passed(run, "it read nothing, and on_empty='fail'")
        if self.min_records is not None:
            if succeeded is None:
                raise _unknown(run, f"min_records={self.min_records}")
            if succeeded < self.min_records:
                raise _not_passed(run, f"it ingested {succeeded} records, fewer than min_records={self.min_records}")
        if self.max_failed_ratio is not None:
            self._check_ratio(run, succeeded, failed)

    def _check_ratio(self, run: Mapping[str, Any], succeeded: int | None, failed: int | None) -> None:
        if succeeded is None or failed is None:
            raise _unknown(run, f"max_failed_ratio={self.max_failed_ratio}")
        total = succeeded + failed
        if total and failed / total > (self.max_failed_ratio or 0):
            raise _not_passed(
                run,
                f"mParticle rejected {failed} of {total} records ({failed / total:.2%}), "
                f"more than max_failed_ratio={self.max_failed_ratio}",
            )


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_empty(run: Mapping[str, Any]) -> bool:
    return run["successful_records"] == 0 and not run["failed_records"]


def _not_passed(run: Mapping[str, Any], why: str) -> DataGateError:
    return DataGateError(
        f"Run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r} succeeded, but {why}. The records that it "
        "ingested stay in mParticle. Check the source and the field transformation. Clearing the task starts a run.",
        **_about(run),
    )


def _unknown(run: Mapping[str, Any], gate: str) -> DataGateError:
    return DataGateError(
        f"Run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r} succeeded, but mParticle does not report how "
        f"many records it counted, so {gate} cannot be checked. If the counts have other names here, add the names to "
        "the extra 'run_fields' of the Airflow connection; otherwise remove the gate.",
        **_about(run),
    )


def _about(run: Mapping[str, Any]) -> dict[str, Any]:
    names = ("pipeline_id", "pipeline_run_id", "state", "successful_records", "failed_records")
    return {name: run[name] for name in names}


def _refused(name: str, wanted: str, value: object) -> ConfigError:
    return ConfigError(f"{name} must be {wanted}, not {shown(value)}. Nothing was sent to mParticle.")
