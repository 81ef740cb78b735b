"""``python -m deploy.images``, run by ``make image``: builds the image of the product."""

from typing import Annotated

import typer
from rich.console import Console

from deploy.images.build import BASE, CannotBuild, build, debian_base
from shared.terminal import fail

console = Console(soft_wrap=True)


def main(
    tag: Annotated[str, typer.Option(help="The image's name.")] = "hearback",
    base: Annotated[str, typer.Option(help="The image to build on: one of Python, best by its digest.")] = BASE,
    debian: Annotated[
        bool,
        typer.Option(
            "--debian", help="Make the base from Debian's packages first, where no registry can be reached; as root."
        ),
    ] = False,
) -> None:
    """Build the image of the product, with Docker, Buildah or Podman, whichever is installed."""
    try:
        if debian:
            with console.status("Making a base from Debian's packages, which takes a minute"):
                debian_base(base)
        with console.status("Building the image"):
            build(tag, base=base, pull=not debian)
    except CannotBuild as error:
        fail(f"The image could not be built: {error}", exit_code=1)
    console.print(f"Built {tag}.")


if __name__ == "__main__":
    typer.run(main)
