"""Models what Airflow keeps between the tries of a task: the task state store, or variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_tasks import Task

# Airflow's task state store takes 64 KB.
LARGEST_RECORD = 60_000


@dataclass
class Kept:
    """JSON that is kept after a try. A worker may die before or after each write."""

    task: Task
    texts: dict[str, str] = field(default_factory=dict)
    _is_in_transaction: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether the last record says that the task has done its work."""
        return any(json.loads(text).get("is_finished") for text in self.texts.values())

    def write(self, key: str, text: str) -> None:
        """Keep a text."""
        assert len(text) < LARGEST_RECORD
        with self.task.may_die("stores its record"):
            self.texts[key] = text
            has_no_run = json.loads(text).get("pipeline_run_id") is None
            self.task.note_record(self.task.world.now, is_of_request=has_no_run)

    def remove(self, key: str) -> None:
        """Forget a text."""
        if self._is_in_transaction:
            self.texts.pop(key, None)
            return
        with self.task.may_die("deletes its record"):
            self.texts.pop(key, None)
            self.task.note_record(self.task.world.now, is_of_request=False)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all removals in the block together with the changes around it."""
        self._is_in_transaction = True
        try:
            yield
        finally:
            self._is_in_transaction = False


@dataclass
class StateStore:
    """The task state store of one task instance."""

    kept: Kept

    def get(self, key: str, default: Any = None) -> Any:
        """Return what was kept."""
        return json.loads(self.kept.texts[key]) if key in self.kept.texts else default

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.kept.write(key, json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.kept.remove(key)


@dataclass
class Variables:
    """Airflow's variables. The name of each identifies a task instance, so no task reads that of another."""

    kept: Kept

    def get(self, key: str, default: str | None) -> str | None:
        """Return what was kept."""
        return self.kept.texts.get(key, default)

    def set(self, key: str, text: str, _: str) -> None:
        """Keep a text."""
        self.kept.write(key, text)

    def delete(self, key: str) -> None:
        """Forget a text."""
        self.kept.remove(key)
