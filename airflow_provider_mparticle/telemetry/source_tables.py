"""
Finds the tables that a data model's SQL reads, by the names that OpenLineage gives to tables of each warehouse.

Only what is certain gets a name: a table without a schema, or of a warehouse that is not known, is left out.
Source: OpenLineage, "Naming"; the letters of unquoted names as Airflow's providers of the warehouses write them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_mparticle.client.models import WarehouseConnection
from airflow_provider_mparticle.configuration import sql_parser

if TYPE_CHECKING:
    from sqlglot.expressions import Identifier, Table

# Redshift's port where a connection names none.
REDSHIFT_PORT = 5439
# Cluster or workgroup, an id, region.
_REDSHIFT_HOST = re.compile(r"([^.]+)\.[^.]+\.([^.]+)\.redshift(?:-serverless)?\.amazonaws\.com")
# A full name: database, schema, table.
NAME_PARTS = 3


@dataclass(frozen=True)
class Warehouse:
    """
    Where the tables of a query are.

    :param namespace: OpenLineage's name of the warehouse, for example ``"snowflake://myorg-account"``.
    :param database: Database, project or catalog of a table whose name has none. Default: not known.
    :param schema: Schema or dataset of a table whose name has none. Default: not known.
    """

    namespace: str
    database: str | None = None
    schema: str | None = None

    @property
    def kind(self) -> str:
        """The scheme of the namespace: sqlglot's name of the warehouse's SQL."""
        return self.namespace.partition(":")[0]


def warehouse_of(connection: WarehouseConnection) -> Warehouse | None:
    """Return the warehouse that one of mParticle's connections leads to, or None if its config does not say it."""
    config = {name: str(value) for name, value in (connection.config or {}).items() if isinstance(value, str | int)}
    namespace_in = _NAMESPACES.get((connection.service_provider or "").strip().lower())
    namespace = namespace_in(config) if namespace_in else None
    if not namespace:
        return None
    database = next((config[name] for name in ("catalog", "project_id", "database") if name in config), None)
    return Warehouse(namespace, database, config.get("schema", config.get("dataset_id")))


def source_tables(sql: str, warehouse: Warehouse) -> list[tuple[str, str]]:
    """
    Return namespace and name of every table that *sql* reads, sorted.

    :param sql: A data model's query. Where sqlglot is missing or cannot read it, no table is known.
    """
    if not sql_parser.is_installed():
        return []
    from sqlglot import exp

    names = set()
    dialect = warehouse.kind if warehouse.kind in sql_parser.DIALECTS else None
    for statement in sql_parser.statements_of(sql, dialect) or []:
        of_with = {cte.alias.casefold() for cte in statement.find_all(exp.CTE)}
        for table in statement.find_all(exp.Table):
            parts = [part for part in table.parts if isinstance(part, exp.Identifier)]
            if not _is_table(table) or (len(parts) == 1 and parts[0].name.casefold() in of_with):
                continue
            if name := _full_name(parts, warehouse):
                names.add((warehouse.namespace, name))
    return sorted(names)


def _is_table(table: Table) -> bool:
    """Return whether what the parser took for a table certainly is one."""
    from sqlglot import exp

    parts = table.parts
    if not all(isinstance(part, exp.Identifier) for part in parts):
        return False  # a function that returns a table
    if isinstance(table.parent, exp.Func) and table.arg_key == "this":
        return False  # a model, as in BigQuery's ML.PREDICT
    if table.args.get("catalog") and not table.args.get("db"):
        return False  # database..table: the warehouse chooses the schema
    if "/" in parts[-1].name:
        return False  # files, as in Databricks' delta.`/path`
    return len(parts) == 1 or parts[0].name.casefold() not in _outer_names(table)  # else an array of an outer row


def _outer_names(table: Table) -> set[str]:
    """Return the names, in lower case, that the queries around the query of this table give to their tables."""
    names: set[str] = set()
    query = table.parent_select and table.parent_select.parent_select
    while query:
        sources = [query.args.get("from_") or query.args.get("from"), *query.args.get("joins", ())]
        for source in filter(None, sources):
            # BigQuery's alias of an array names the rows of it, which the parser takes for a column.
            given = (source.this.alias_or_name, *source.this.alias_column_names)
            names.update(name.casefold() for name in given)
        query = query.parent_select
    return names


def _full_name(parts: list[Identifier], warehouse: Warehouse) -> str | None:
    spelled = _SPELLED.get(warehouse.kind, _in_lower_case)
    defaults = [name and spelled(name, False) for name in (warehouse.database, warehouse.schema)]
    full = [
        *defaults[: max(0, NAME_PARTS - len(parts))],
        *(spelled(part.name, bool(part.args["quoted"])) for part in parts),
    ]
    return ".".join(map(str, full)) if parts and len(full) == NAME_PARTS and all(full) else None


# How a warehouse keeps the letters of a name, with quotation marks or without.


def _in_lower_case(name: str, quoted: bool) -> str:
    return name.lower()


def _in_upper_case_unless_quoted(name: str, quoted: bool) -> str:
    return name if quoted else name.upper()


def _as_written(name: str, quoted: bool) -> str:
    return name


_SPELLED: Mapping[str, Callable[[str, bool], str]] = {
    "snowflake": _in_upper_case_unless_quoted,
    "bigquery": _as_written,
}


def _snowflake(config: Mapping[str, str]) -> str | None:
    from openlineage.common.provider.snowflake import fix_account_name  # type: ignore[import-untyped]  # it has no types

    account = config.get("account_identifier", "").removesuffix(".snowflakecomputing.com")
    has_region = not {"-", "."}.isdisjoint(account)
    region = f".{config['region']}" if "region" in config and not has_region else ""
    return f"snowflake://{fix_account_name(account + region)}" if account else None


def _redshift(config: Mapping[str, str]) -> str | None:
    host = config.get("host", "")
    found = _REDSHIFT_HOST.fullmatch(host)
    authority = f"{found[1]}.{found[2]}" if found else host
    return f"redshift://{authority}:{config.get('port', REDSHIFT_PORT)}" if host else None


def _bigquery(config: Mapping[str, str]) -> str:
    return "bigquery"


def _databricks(config: Mapping[str, str]) -> str | None:
    address = next((config[name] for name in ("server_hostname", "workspace_url", "host") if name in config), "")
    host = address.rpartition("://")[2].strip("/")
    return f"databricks://{host}" if host else None


# mParticle's service providers, in lower case.
_NAMESPACES: Mapping[str, Callable[[Mapping[str, str]], str | None]] = {
    "snowflake": _snowflake,
    "redshift": _redshift,
    "bigquery": _bigquery,
    "databricks": _databricks,
}
