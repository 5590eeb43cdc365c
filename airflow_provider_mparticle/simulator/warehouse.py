"""
Simulates the warehouse with source tables in SQLite, in memory or in a file that another process can open.

Assumed, the documentation does not say:
- mParticle wraps a data model's SQL as ``SELECT * FROM (<sql>)``, so a ``;`` or a second statement fails;
- a warehouse's message about SQL that it refuses is shown among the run's errors.

The simulator's own rules:
- ``main.orders`` is SQLite's table ``orders``; any other whole name is the name of one SQLite table;
- a table that is already in the file is used with its rows; the file gets a write-ahead log;
- an instant is the text ``YYYY-MM-DD HH:MM:SS[.ffffff]+00:00`` in UTC, so that a comparison of such texts compares
  instants; a datetime without a zone is UTC;
- the key of a table is that of its first call, and the keys of all rows of all sources are expected to be unique;
- a row is recognized in a query's result by the column that has the name of a source's key, without regard to case.
  A query that leaves the key out, or renames it, ingests rows that cannot be counted;
- a statement that takes longer, or returns more or larger values, than the limits below is interrupted and fails.

Not simulated: the types and the privileges of a warehouse.
"""

from __future__ import annotations

import math
import sqlite3
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.sql_dialect import for_sqlite, names_in, plain, quoted
from airflow_provider_mparticle.simulator.timestamps import moment

if TYPE_CHECKING:
    from pathlib import Path

# Limits of one statement, because WITH RECURSIVE may have no end.
MAX_SECONDS = 5.0
MAX_ROWS = 1_000_000
MAX_VALUE_BYTES = 10_000_000

# After so many steps of its virtual machine, some milliseconds, SQLite asks whether to continue.
_STEPS_BETWEEN_CHECKS = 100_000

# What Python's sqlite3 raises: for refusals of SQLite itself, too large numbers, and texts that are not Unicode.
_REFUSALS = (sqlite3.Error, OverflowError, ValueError)


class QueryError(Exception):
    """The query failed. The message says why."""


@dataclass(frozen=True)
class Source:
    """A source table: its whole name as it was added, and the column that identifies a row."""

    name: str
    key: str

    @property
    def table(self) -> str:
        """The name of the table in SQLite."""
        schema, _, own = self.name.partition(".")
        return quoted(own if schema.lower() == "main" and own and "." not in own else self.name)


@dataclass(frozen=True)
class Result:
    """What a query returned: the names of its columns, its rows, and the keys of the tables it names."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    keys: set[str]

    def place(self, column: str) -> int | None:
        """Return the index of a column, ignoring case, or None."""
        names = [name.lower() for name in self.columns]
        return names.index(column.lower()) if column.lower() in names else None


class Warehouse:
    """
    The source tables. Not thread-safe: the caller holds the lock.

    :param path: A file, for another process to read at the same time. None: in memory.
    :param max_seconds: How long one statement may take.
    """

    def __init__(self, path: str | Path | None = None, max_seconds: float = MAX_SECONDS) -> None:
        self._path = path or ":memory:"
        self._deadline = _Deadline(max_seconds)
        self._sources: dict[str, Source] = {}
        self._opened: sqlite3.Connection | None = None

    def add(self, table: str, rows: Iterable[Mapping[str, Any]], key: str = "id") -> None:
        """
        Add rows to a source table, which the first call creates with the columns of its first row.

        :raises Refusal: SQLite refuses the table, a row or a value. Nothing was added.
        """
        found = _checked(table, rows, key)
        source = Source(plain(table), key)
        source = self._sources.get(source.table.lower(), source)
        try:
            with self._db as db:  # commits, or rolls back
                db.execute("BEGIN")
                _create(db, source, found)
                for row in found:
                    _insert(db, source, row)
                _check_key(db, source)
        except _REFUSALS as error:
            raise Refusal(400, f"{table}: {error}") from error
        self._sources[source.table.lower()] = source

    def all_keys(self) -> list[Any]:
        """Return the key of every row that is in a source table now."""
        queries = [f"SELECT {quoted(one.key)} FROM {one.table}" for one in self._sources.values()]  # noqa: S608 - quoted
        return [key for query in queries for (key,) in self._db.execute(query)]

    def query(self, sql: str) -> Result | None:
        """
        Execute the SQL of a data model, and return the result, or None if it does not name a source table.

        :raises QueryError: SQLite refuses it, or it exceeds a limit.
        """
        names = names_in(sql)
        named = {one.name.lower(): one for one in self._sources.values() if one.name.lower() in names}
        if not named:
            return None
        inner = for_sqlite(sql, {name: one.table for name, one in named.items()})
        try:
            cursor = self._db.execute(f"SELECT * FROM ({inner})")  # noqa: S608 - running that SQL is the point
            columns = [str(column[0]) for column in cursor.description]
            rows = cursor.fetchmany(MAX_ROWS + 1)
        except _REFUSALS as error:
            raise QueryError(self._reason(error)) from error
        if len(rows) > MAX_ROWS:
            raise QueryError(f"The query returns more than {MAX_ROWS:,} rows, the simulator's limit.")
        return Result(columns, rows, {one.key for one in named.values()})

    def _reason(self, error: Exception) -> str:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return f"The query was interrupted after {self._deadline.seconds:g} s, the simulator's limit."
        return str(error)

    @property
    def _db(self) -> sqlite3.Connection:
        """The database for one statement, opened at the first and closed with the warehouse."""
        if self._opened is None:
            self._opened = sqlite3.connect(self._path, check_same_thread=False)
            self._opened.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
            self._opened.set_progress_handler(self._deadline.has_passed, _STEPS_BETWEEN_CHECKS)
            # With a write-ahead log, a process that reads the file does not block one that writes it.
            self._opened.execute("PRAGMA journal_mode = WAL")
            weakref.finalize(self, _close, self._opened)
        self._deadline.set()
        return self._opened


class _Deadline:
    """The instant at which a statement is interrupted. It must not refer to the warehouse: the connection keeps it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = math.inf

    def set(self) -> None:
        """Set the instant for a statement that starts now."""
        self._at = time.monotonic() + self.seconds

    def has_passed(self) -> bool:
        """Return whether SQLite should interrupt the statement."""
        return time.monotonic() > self._at


def _close(db: sqlite3.Connection) -> None:
    """Close the database at once: a statement in progress would block it until its end."""
    db.interrupt()
    db.close()


def _checked(table: object, rows: Iterable[Mapping[str, Any]], key: object) -> list[Mapping[str, Any]]:
    """Return the rows, after a check of what the caller passed."""
    found = list(rows)
    if not isinstance(table, str) or not plain(table):
        raise Refusal(400, "table must be a name, for example shop.public.orders.")
    if not isinstance(key, str):
        raise Refusal(400, "key must be the name of a column.")
    if not all(isinstance(row, Mapping) for row in found):
        raise Refusal(400, "rows must be objects of columns and values.")
    return found


def _create(db: sqlite3.Connection, source: Source, rows: list[Mapping[str, Any]]) -> None:
    if rows:
        columns = ", ".join(quoted(str(name)) for name in rows[0])
        db.execute(f"CREATE TABLE IF NOT EXISTS {source.table} ({columns})")


def _check_key(db: sqlite3.Connection, source: Source) -> None:
    """Refuse a missing key. SQLite itself would read an unknown name in double quotes as a text."""
    cursor = db.execute(f"SELECT * FROM {source.table} LIMIT 0")  # noqa: S608 - quoted
    if source.key.lower() not in [str(column[0]).lower() for column in cursor.description]:
        raise ValueError(f"a row has no column {source.key!r}. Pass key, the column that identifies a row.")


def _insert(db: sqlite3.Connection, source: Source, row: Mapping[str, Any]) -> None:
    columns = ", ".join(quoted(str(name)) for name in row)
    places = ", ".join("?" * len(row))
    values = [_stored(value) for value in row.values()]
    db.execute(f"INSERT INTO {source.table} ({columns}) VALUES ({places})", values)  # noqa: S608 - quoted


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value
