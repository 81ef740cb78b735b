"""`hearback migrate`: brings the services' tables up to date."""

from typing import Annotated

import typer
from rich.console import Console

from shared.persistence.connecting import SETTING
from shared.persistence.engine import open_engine
from shared.persistence.migrations import migrate as migrate_schema
from shared.persistence.migrations import newest
from shared.processes import SERVICES
from shared.terminal import fail
from tools.hearback.database import CANNOT, NotSet, connect, database_url
from tools.hearback.database import run as run_command

console = Console(soft_wrap=True)


def migrate(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Of {', '.join(SERVICES)}; by default all of them. HEARBACK_DATABASE_URL is that of the service's "
            "role, or of the owner of all roles.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring the tables of services up to date; those that are stay as they are.

    Each process does this for its own tables when it starts. Doing it before an upgrade tells beforehand whether it
    works, and how long it takes.
    """
    names = list(dict.fromkeys(services or SERVICES))
    if unknown := [name for name in names if name not in SERVICES]:
        fail(f"There is no service {unknown[0][:60]!r}; choose from {', '.join(SERVICES)}.", exit_code=CANNOT)

    async def run() -> None:
        url = database_url()
        for name in names:
            await _migrate_one(name, url)

    run_command(run)


async def _migrate_one(service: str, url: str) -> None:
    engine = open_engine(url, name="migrate", pool_size=1, **await _as_service(service, url))
    try:
        before = await migrate_schema(service, engine)
    finally:
        await engine.dispose()
    after = newest(service)
    console.print(f"{service}: up to date at {after}" if before == after else f"{service}: {before or 'new'} → {after}")


async def _as_service(service: str, url: str) -> dict[str, str]:
    """What makes a session of the roles' owner one of the service's; nothing if it already is.

    Raises NotSet for a role that is neither: its tables would end up in another schema.
    """
    async with connect(url) as connection:
        if await connection.fetchval("SELECT current_schema()") == service:
            return {}
        database, user = await connection.fetchrow("SELECT current_database(), current_user")
        role = f"{database}_{service}"
        if await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(rolname, 'SET'))", role
        ):
            return {"role": role, "search_path": service}
    raise NotSet(
        f"{SETTING} signs in as {user}, whose search_path is not the schema {service}, and who may not act as {role}: "
        f"use the URL of the role that the {service} uses, or of the owner of all of them."
    )
