"""`hearback letters`: look at dead letters, mend them, put them back to their topic, or skip them."""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

import click
import typer
from rich.console import Console

from shared.terminal import fail
from tools.environment import installation_environment
from tools.hearback import database
from tools.hearback.commands import Commands
from tools.hearback.database import CANNOT, NOT_DONE
from tools.hearback.letter_records import LetterRecord, LetterRecords, RecordGone
from tools.hearback.letter_table import STATES, Filter, Letter, LetterTable, NoSuchLetter
from tools.hearback.output import list_of, print_list, visible

_MOST_AT_ONCE = 1_000
_EVERY = "any"

app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Records that could not be read or handled, each with its reason."
)
console = Console(soft_wrap=True)
T = TypeVar("T")

Ids = Annotated[list[str], typer.Argument(help="Ids as `list` shows them, such as dispatcher/orders/0/1234.")]
MaybeIds = Annotated[list[str] | None, typer.Argument(help="Ids as `list` shows them, or none with --all.")]
Service = Annotated[str | None, typer.Option(help="Only those this process set aside, such as dispatcher.")]
TopicName = Annotated[str | None, typer.Option("--topic", help="Only those of this topic, such as orders.")]
Reason = Annotated[str, typer.Option(help="Only those whose reason contains these words.")]
Everything = Annotated[bool, typer.Option("--all", help="All that are set aside and match the other options.")]


@dataclass(frozen=True, slots=True)
class Installation:
    table: LetterTable
    records: LetterRecords


@app.command("list")
def list_letters(
    service: Service = None,
    topic: TopicName = None,
    reason: Reason = "",
    state: Annotated[str, typer.Option(help=f"{', '.join(STATES)} or {_EVERY}.")] = "set_aside",
    limit: Annotated[int, typer.Option(min=1, max=_MOST_AT_ONCE, help="At most so many.")] = 50,
) -> None:
    """List dead letters, oldest first, and what stands still."""
    if state not in (*STATES, _EVERY):
        fail(f"--state is {state!r}; choose from {', '.join((*STATES, _EVERY))}.", exit_code=CANNOT)
    wanted = Filter(service=service, topic=topic, reason=reason, state=None if state == _EVERY else state)

    async def run(on: Installation) -> None:
        found = await on.table.find(wanted, limit=limit + 1)
        table = list_of("id", "set aside", "ce_id", "state", "reason")
        for letter in found[:limit]:
            table.add_row(
                letter.letter_id + (f" (+{letter.records - 1})" if letter.records > 1 else ""),
                f"{letter.recorded_at:%Y-%m-%d %H:%M:%S} UTC",
                letter.event_id or "–",
                letter.state.replace("_", " "),
                letter.reason,
            )
        if found:
            print_list(console, table)
        else:
            console.print("No dead letters.")
        if len(found) > limit:
            console.print(
                f"There are more: raise --limit above {limit}, or narrow with --topic, --service or --reason."
            )
        for standing in await on.table.standing():
            console.print(
                f"\n{standing.service} stands still at {standing.topic}, partition {standing.partition}, offset "
                f"{standing.offset}, since {standing.stopped_at:%Y-%m-%d %H:%M} UTC: {standing.explanation}",
                markup=False,
            )

    _with_installation(run)


@app.command()
def show(letter_id: Annotated[str, typer.Argument(help="An id as `list` shows it.")]) -> None:
    """Show one record: its reason, headers, key and value. It may contain personal data."""

    async def run(on: Installation) -> None:
        (letter,) = await on.table.named([letter_id])
        console.print(f"reason   {letter.reason}\nstate    {letter.state.replace('_', ' ')}", markup=False)
        console.print(f"set at   {letter.recorded_at:%Y-%m-%d %H:%M:%S} UTC")
        record = await _record(on, letter)
        if record.incomplete:
            console.print(f"missing  {record.incomplete}", markup=False)
        for name, content in record.headers:
            console.print(visible(f"header   {name}: {_readable(content)}"), markup=False)
        console.print(visible(f"key      {_readable(record.key)}"), markup=False)
        console.print(visible(_pretty(record.value)), markup=False, highlight=False)

    _with_installation(run)


@app.command()
def edit(
    letter_id: Annotated[str, typer.Argument(help="An id as `list` shows it.")],
    file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            allow_dash=True,
            help="The new value; - reads standard input. Without it, $EDITOR opens.",
        ),
    ] = None,
) -> None:
    """Change one record's value, and put it back to its topic with its key and headers."""

    async def run(on: Installation) -> None:
        (letter,) = await on.table.named([letter_id])
        record = await _record(on, letter)
        value = _new_value(record.value or b"", file)
        if value is None or value == record.value:
            fail("Nothing was changed, so nothing was put back.", exit_code=NOT_DONE)
        await _publish(on, {letter.letter_id: replace(record, value=value, incomplete="")}, [letter])

    _with_installation(run)


@app.command("put-back")
def put_back(
    letter_ids: MaybeIds = None,
    everything: Everything = False,
    service: Service = None,
    topic: TopicName = None,
    reason: Reason = "",
) -> None:
    """Publish records to their topic again, as they were: after an upgrade, or once what was in the way is gone.

    Every service reads them again. What was handled already is recognised by its id.
    """

    async def run(on: Installation) -> None:
        letters = await _chosen(on, letter_ids, everything, service, topic, reason)
        records = await _records(on, letters)
        lost = [letter for letter in letters if letter.letter_id not in records]
        cut = [letter for letter in letters if letter.letter_id in records and records[letter.letter_id].incomplete]
        whole = [letter for letter in letters if letter not in lost and letter not in cut]
        await _publish(on, records, whole)
        for letter in cut:
            console.print(
                f"{letter.letter_id} was not put back: {records[letter.letter_id].incomplete}. Use `edit`.",
                markup=False,
            )
        for letter in lost:
            console.print(f"{letter.letter_id} was not put back: Kafka no longer has the record.", markup=False)
        if cut or lost:
            raise typer.Exit(NOT_DONE)

    _with_installation(run)


@app.command()
def skip(
    letter_ids: MaybeIds = None,
    everything: Everything = False,
    service: Service = None,
    topic: TopicName = None,
    reason: Reason = "",
) -> None:
    """Mark records as not needed. They stay on the dead-letter topic until it forgets them."""

    async def run(on: Installation) -> None:
        letters = await _chosen(on, letter_ids, everything, service, topic, reason)
        if letters:
            await on.table.mark([letter.place for letter in letters], "skipped")
        console.print(f"Skipped {_count(letters)}.")

    _with_installation(run)


@app.command()
def allow(
    service: Annotated[str, typer.Argument(help="The process that stands still, such as dispatcher.")],
    topic: Annotated[str, typer.Argument(help="The topic it stands still at, such as orders.")],
    records: Annotated[int, typer.Argument(min=1, max=10_000_000, help="How many more within the next hour.")],
) -> None:
    """Let a process that stands still at its dead-letter limit set aside more records, and go on."""

    async def run(on: Installation) -> None:
        await on.table.allow(service, topic, records)
        console.print(f"{service} may set aside {records:,} more records of {topic} within the next hour.")

    _with_installation(run)


async def _chosen(
    on: Installation,
    letter_ids: Sequence[str] | None,
    everything: bool,
    service: str | None,
    topic: str | None,
    reason: str,
) -> list[Letter]:
    if bool(letter_ids) == everything:
        fail("Name the letters, or use --all; `hearback letters list` shows them.", exit_code=CANNOT)
    if letter_ids:
        return await on.table.named(letter_ids)
    wanted = Filter(service=service, topic=topic, reason=reason)
    found = await on.table.find(wanted, limit=_MOST_AT_ONCE)
    if len(found) == _MOST_AT_ONCE:
        console.print(f"The oldest {_MOST_AT_ONCE:,}; run the command again for the rest.")
    return found


async def _records(on: Installation, letters: Sequence[Letter]) -> Mapping[str, LetterRecord]:
    if not letters:
        return {}
    if not console.is_terminal:
        return await on.records.read(letters)
    with console.status("Reading the dead-letter topics") as status:
        return await on.records.read(
            letters, lambda found: status.update(f"Reading the dead-letter topics: {found:,} of {len(letters):,}")
        )


async def _record(on: Installation, letter: Letter) -> LetterRecord:
    records = await _records(on, [letter])
    if letter.letter_id not in records:
        raise RecordGone(f"Kafka no longer has the record of {letter.letter_id}; only its reason is left.")
    return records[letter.letter_id]


async def _publish(on: Installation, records: Mapping[str, LetterRecord], letters: Sequence[Letter]) -> None:
    """Each place once, though several services may have set the same record aside; then they are marked."""
    by_topic: dict[str, dict[tuple[str, int, int], LetterRecord]] = {}
    for letter in letters:
        by_topic.setdefault(letter.topic, {}).setdefault(letter.place, records[letter.letter_id])
    for topic, places in by_topic.items():
        await on.records.publish(topic, places)
        # Marked afterwards: if this stops in between, they are put back twice, which their ids make harmless.
        await on.table.mark(places, "put_back")
    published = sum(len(places) for places in by_topic.values())
    console.print(f"Put back {published:,} {'record' if published == 1 else 'records'}.")


def _new_value(value: bytes, file: Path | None) -> bytes | None:
    if file is not None:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    edited = click.edit(_pretty(value), extension=".json", require_save=True)
    return None if edited is None else edited.encode()


def _pretty(value: bytes | None) -> str:
    """JSON with indents, other text as it is, and bytes that are no text as Python writes them."""
    if value is None:
        return "(no value)"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return repr(value)
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _readable(content: bytes | None) -> str:
    return "–" if content is None else content.decode("utf-8", "backslashreplace")


def _count(letters: Sequence[Letter]) -> str:
    return f"{len(letters):,} {'dead letter' if len(letters) == 1 else 'dead letters'}"


def _with_installation(command: Callable[[Installation], Awaitable[None]]) -> None:
    """Runs the command, and ends with a sentence when the installation cannot be reached or knows no such letter."""

    async def opened() -> None:
        kafka = database.kafka()
        prefix = installation_environment().get("HEARBACK_TOPIC_PREFIX", "")
        async with database.open_database("dead_letters") as found:
            await command(Installation(LetterTable(found), LetterRecords(kafka, prefix=prefix)))

    try:
        database.run(opened)
    except (NoSuchLetter, RecordGone) as error:
        fail(f"{str(error)[:1].upper()}{str(error)[1:].rstrip('.')}.", exit_code=NOT_DONE)
