"""A schema and a role for each service, in one database: no service can read or change what another has.

A role is best named after the database and the service (`hearback_scorer`), because roles belong to the whole server:
two Hearback databases on one server do not conflict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LOCK = 4_812_015_162_342
"""Advisory lock key: roles are shared by the whole server, so only one provisioning runs at a time."""


@dataclass(frozen=True, slots=True)
class Role:
    """Who a service signs in as."""

    name: str
    password: str = field(repr=False)


def role_name(database: str, *, service: str) -> str:
    """The usual name of a service's role."""
    return f"{database}_{service}"


async def provision_services(connection: Any, roles: Mapping[str, Role]) -> None:
    """Creates or updates the roles and schemas of services, in the database that asyncpg's ``connection`` is to, within
    its transaction; idempotent.

    Its user needs CREATEROLE, and CREATE on the database. Raises asyncpg.InsufficientPrivilegeError without.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    database = await connection.fetchval("SELECT current_database()")
    for service, role in roles.items():
        await _provision(connection, database=database, service=service, role=role)


async def _provision(connection: Any, *, database: str, service: str, role: Role) -> None:
    known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role.name)
    verb = "ALTER" if known else "CREATE"
    await execute(connection, verb + " ROLE %I LOGIN PASSWORD %L", role.name, role.password)
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        # The owner must be able to transfer the schema, and to read it for the audit.
        await execute(connection, "GRANT %I TO CURRENT_USER WITH SET TRUE, INHERIT TRUE", role.name)
    await execute(connection, "GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I", database, role.name)
    await execute(connection, "CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I", service, role.name)
    await execute(connection, "ALTER SCHEMA %I OWNER TO %I", service, role.name)
    await execute(connection, "REVOKE ALL ON SCHEMA %I FROM PUBLIC", service)
    await execute(connection, "ALTER ROLE %I IN DATABASE %I SET search_path = %I", role.name, database, service)


async def execute(connection: Any, template: str, *names: str) -> None:
    """Runs a statement that accepts no parameters, with names quoted by the server."""
    statement = await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", template, list(names))
    await connection.execute(statement)
