"""Provisions a database with a schema and a role for each service.

A role is named after the database and the service (`hearback_scorer`), because roles belong to the whole server: two
Hearback databases on one server do not conflict.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg

from deploy.local.errors import StackError
from deploy.local.secrets_file import generate_passwords
from shared.persistence.connecting import why_not_connected
from shared.persistence.provisioning import Role, execute, provision_services, role_name
from shared.processes import SERVICES


@dataclass(frozen=True, slots=True)
class Database:
    """A provisioned database: the owner's URL, and for each service the URL of its role."""

    owner_url: str
    service_urls: Mapping[str, str]

    @property
    def name(self) -> str:
        return _database_in(self.owner_url)


async def provision(owner_url: str, passwords: Mapping[str, str]) -> Database:
    """Creates or updates the schemas and roles in the database of `owner_url`; idempotent.

    `passwords` has one for each of SERVICES. The owner needs CREATEROLE and CREATE on the database.
    Raises StackError when the server cannot be reached or the owner lacks a right.
    """
    database = _database_in(owner_url)
    roles = {service: role_name(database, service=service) for service in SERVICES}
    connection = await _connect(owner_url)
    try:
        async with connection.transaction():
            await provision_services(
                connection, {service: Role(role, passwords[service]) for service, role in roles.items()}
            )
    except asyncpg.InsufficientPrivilegeError as error:
        raise StackError(
            f"The user of HEARBACK_DATABASE_URL may not provision the database ({error.args[0]}): "
            "grant it CREATEROLE, and CREATE on the database."
        ) from error
    finally:
        await connection.close()
    return Database(
        owner_url,
        {service: _as_role(owner_url, role=role, password=passwords[service]) for service, role in roles.items()},
    )


async def require_connection(url: str) -> None:
    """Raises StackError with the reason if nobody can connect to the database like that."""
    connection = await _connect(url)
    await connection.close()


def _as_role(owner_url: str, *, role: str, password: str) -> str:
    parts = urlsplit(owner_url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{server}"))


def _database_in(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url, timeout=15)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise StackError(
            f"{why_not_connected(error, url)}: correct that setting, or unset it to use the stack's own server."
        ) from error
    return connection


@asynccontextmanager
async def temporary_database(owner_url: str) -> AsyncIterator[Database]:
    """A newly provisioned database on the server of `owner_url`; dropped with its roles afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    own_url = urlunsplit(urlsplit(owner_url)._replace(path=f"/{name}"))
    await _administer(owner_url, "CREATE DATABASE %I", name)
    try:
        yield await provision(own_url, generate_passwords())
    finally:
        await _administer(owner_url, "DROP DATABASE IF EXISTS %I WITH (FORCE)", name)
        for service in SERVICES:
            await _administer(owner_url, "DROP ROLE IF EXISTS %I", role_name(name, service=service))


async def _administer(owner_url: str, template: str, name: str) -> None:
    connection = await _connect(owner_url)
    try:
        await execute(connection, template, name)
    finally:
        await connection.close()
