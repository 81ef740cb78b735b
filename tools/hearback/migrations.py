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
from tools.hearback.databases import role_settings

console = Console(soft_wrap=True)


def migrate(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Of {', '.join(SERVICES)}; by default all of them.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring the tables of services up to date; those that are stay as they are.

    A service's database is that of HEARBACK_SCORER_DATABASE_URL (and so on) if it is set, otherwise that of
    HEARBACK_DATABASE_URL, which is then that of the service's role, or of the owner of all roles.

    Each process does this for its own tables when it starts. Doing it before an upgrade tells beforehand whether it
    works, and how long it takes.
    """
    names = list(dict.fromkeys(services or SERVICES))
    if unknown := [name for name in names if name not in SERVICES]:
        fail(f"There is no service {unknown[0][:60]!r}; choose from {', '.join(SERVICES)}.", exit_code=CANNOT)

    async def run() -> None:
        settings = role_settings()
        for name in names:
            await _migrate_one(name, settings.url_of(name) or database_url())

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
    """What makes a session one of the role that the service's schema belongs to; nothing if it already is.

    Raises NotSet where that cannot be: the tables would end up elsewhere.
    """
    async with connect(url) as connection:
        if await connection.fetchval("SELECT current_schema()") == service:
            return {}
        owner = await connection.fetchrow(
            "SELECT rolname, pg_has_role(pg_roles.oid, 'SET') AS ours "
            "FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner WHERE nspname = $1",
            service,
        )
        if owner is None:
            raise NotSet(f"There is no schema {service} in this database; `hearback database prepare` makes it.")
        if not owner["ours"]:
            raise NotSet(
                f"{SETTING} is of a user who may not act as {owner['rolname']}, whose schema {service} is: use the URL "
                f"that the {service} uses, or that of who made the roles."
            )
        return {"role": owner["rolname"], "search_path": service}
