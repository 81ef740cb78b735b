"""`hearback database`: the schemas and roles of the services."""

from urllib.parse import unquote, urlsplit

import asyncpg
import typer
from pydantic import ValidationError
from rich.console import Console

from shared.kafka_settings import settings_errors
from shared.persistence.connecting import SETTING
from shared.persistence.provisioning import Role, provision_services
from shared.processes import SERVICES
from shared.terminal import fail
from tools.hearback.commands import Commands
from tools.hearback.database import CANNOT, NotSet, connect, database_url
from tools.hearback.database import run as run_command
from tools.hearback.role_settings import RoleSettings

app = typer.Typer(cls=Commands, no_args_is_help=True, help="The schemas and roles of the services.")
console = Console(soft_wrap=True)


@app.command()
def prepare() -> None:
    """Create the services' schemas and roles, or bring them up to date; nothing is ever deleted.

    HEARBACK_DATABASE_URL is that of a user with CREATEROLE, and CREATE on the database. Names and passwords of the
    roles are those in HEARBACK_DISPATCHER_DATABASE_URL, HEARBACK_COLLECTOR_DATABASE_URL, HEARBACK_SCORER_DATABASE_URL
    and HEARBACK_ALERTER_DATABASE_URL, which the processes get as their HEARBACK_DATABASE_URL.
    """

    async def run() -> None:
        owner = database_url()
        roles = _roles(owner)
        async with connect(owner) as connection:
            try:
                async with connection.transaction():
                    await provision_services(connection, roles)
            except asyncpg.InsufficientPrivilegeError as error:
                raise NotSet(
                    f"The user of {SETTING} may not do this ({error.args[0]}): grant it CREATEROLE, and CREATE on the "
                    "database."
                ) from error
        for service, role in roles.items():
            console.print(f"{service}: schema {service}, role {role.name}", markup=False)

    run_command(run)


def role_settings() -> RoleSettings:
    """Ends the command with a sentence for a URL that cannot be read."""
    try:
        return RoleSettings()
    except ValidationError as error:
        fail("\n".join(settings_errors(error)), exit_code=CANNOT)


def _roles(owner: str) -> dict[str, Role]:
    """Raises NotSet for a URL that is missing, of another database, or without user or password."""
    settings, roles = role_settings(), dict[str, Role]()
    for service in SERVICES:
        name = f"HEARBACK_{service.upper()}_DATABASE_URL"
        url = urlsplit(settings.url_of(service))
        if not (url.username and url.password):
            raise NotSet(f"{name} must name the user and the password that the {service} is to sign in with.")
        if url.path != urlsplit(owner).path:
            raise NotSet(f"{name} is of another database than {SETTING}.")
        roles[service] = Role(unquote(url.username), unquote(url.password))
    if len({role.name for role in roles.values()}) < len(roles):
        raise NotSet("Two services have the same user; each needs one of its own.")
    return roles
