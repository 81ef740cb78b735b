"""`hearback outbox`: events that a service cannot publish, and what waits behind them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from shared.terminal import fail
from tools.hearback import database
from tools.hearback.commands import Commands
from tools.hearback.database import CANNOT, NOT_DONE
from tools.hearback.output import list_of, print_list

_MOST_LISTED = 1_000

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Events that cannot be published, each with its reason.")
console = Console(soft_wrap=True)


@app.command("list")
def list_events(
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LISTED, help="At most so many per service.")] = 50,
) -> None:
    """List events that cannot be published, oldest first, and how many wait behind each.

    They are tried again by themselves: when the reason is gone, they are published, and what waits follows in order.
    """

    async def run(connection: Any, schemas: Sequence[str]) -> None:
        table = list_of("id", "set aside", "topic", "waiting", "tries", "next", "reason")
        for schema in schemas:
            rows = await connection.fetch(
                f"""
                SELECT id, topic, set_aside_at, tries, retry_at, reason, (
                    SELECT count(*) FROM {schema}.outbox_set_aside AS waiting
                    WHERE waiting.tries = 0 AND waiting.topic = first.topic
                      AND (first.whole_topic OR waiting.key = first.key)
                ) AS waiting
                FROM {schema}.outbox_set_aside AS first WHERE tries > 0 ORDER BY id LIMIT $1
                """,  # noqa: S608  # schema names of the database itself
                limit,
            )
            for row in rows:
                table.add_row(
                    f"{schema}/{row['id']}",
                    f"{row['set_aside_at']:%Y-%m-%d %H:%M:%S} UTC",
                    row["topic"],
                    str(row["waiting"]),
                    str(row["tries"]),
                    f"{row['retry_at']:%H:%M:%S}",
                    row["reason"],
                )
        if table.row_count:
            print_list(console, table)
        else:
            console.print("Every event can be published.")

    _with_database(run)


@app.command()
def retry() -> None:
    """Try all of them again within a second, instead of when it is their turn."""

    async def run(connection: Any, schemas: Sequence[str]) -> None:
        for schema in schemas:
            await connection.execute(
                f"UPDATE {schema}.outbox_set_aside SET retry_at = now() WHERE tries > 0"  # noqa: S608  # likewise
            )
        console.print("They are tried again now; `hearback outbox list` shows what is left.")

    _with_database(run)


@app.command()
def drop(event_id: Annotated[str, typer.Argument(help="An id as `list` shows it, such as scorer/1234.")]) -> None:
    """Delete one event that will never be published, so that what waits behind it is."""

    async def run(connection: Any, schemas: Sequence[str]) -> None:
        schema, _, number = event_id.partition("/")
        if schema not in schemas or not number.isdecimal() or len(number) > 18:
            fail(f"{event_id!r} is not an id such as scorer/1234; `hearback outbox list` shows them.", exit_code=CANNOT)
        done = await connection.execute(
            f"DELETE FROM {schema}.outbox_set_aside WHERE id = $1 AND tries > 0",  # noqa: S608  # checked above
            int(number),
        )
        if done != "DELETE 1":
            fail(f"There is no event {event_id}; `hearback outbox list` shows them.", exit_code=NOT_DONE)
        console.print(f"Dropped {event_id}.", markup=False)

    _with_database(run)


def _with_database(command: Callable[[Any, Sequence[str]], Awaitable[None]]) -> None:
    async def opened() -> None:
        async with database.open_database("outbox_set_aside") as found:
            await command(found.connection, found.schemas)

    database.run(opened)
