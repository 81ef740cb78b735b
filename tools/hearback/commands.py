"""How the commands are grouped: whoever asks for one that does not exist is told those that do."""

from typing import Any

from typer.core import TyperGroup


class Commands(TyperGroup):
    """A group of commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Ends with a sentence that names all commands when there is none by that name."""
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            ctx.fail(f"there is no command {args[0][:60]!r}; choose from {', '.join(names)}")
        return super().resolve_command(ctx, args)
