"""`python -m tools.hearback`, or `./hearback`: runs the processes, and does what operators do by hand."""

import typer

from shared.terminal import silence_kafka
from tools.audit.__main__ import main as audit
from tools.hearback import databases, letters, migrations, processes, set_aside, settings, topics
from tools.hearback.commands import Commands

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Operate an installation of Hearback. Addresses and credentials come from the environment "
    "(HEARBACK_DATABASE_URL, HEARBACK_KAFKA_BOOTSTRAP_SERVERS, HEARBACK_TOPIC_PREFIX), or else from .hearback/env, "
    "which `make up` writes.",
)
app.command()(processes.run)
app.add_typer(databases.app, name="database")
app.command()(migrations.migrate)
app.add_typer(topics.app, name="topics")
app.add_typer(settings.app, name="settings")
app.command("audit")(audit)
app.add_typer(letters.app, name="letters")
app.add_typer(set_aside.app, name="outbox")


@app.callback()
def _hearback() -> None:
    silence_kafka()


if __name__ == "__main__":
    app(prog_name="hearback")
