"""`featurectl init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.units import counted
from featurectl.operations.init import EXTRAS, NEXT, init_repository


@verb()
def init(
    call: Call,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make, or to write into; `.`: this one.")],
    template: Annotated[str, typer.Option(help=f"{', '.join(NEXT)}.")] = "flights",
    extras: Annotated[
        list[str] | None,
        typer.Option("--with", help=f"What else to write: {', '.join(EXTRAS)}.", metavar="NAME"),
    ] = None,
) -> Outcome:
    """Write a repository that works at once.

    It brings its data; the next commands are printed. `empty` is a featurectl.yaml alone, with comments that teach.
    What is in the folder stays; a file that would be written over is refused. `--with docker` adds a Dockerfile, and
    deploy/compose.yaml, which runs the repository on PostgreSQL and Redis as the environment `compose`.
    """
    written = init_repository(folder, template, extras or ())
    where = "this folder" if folder.resolve() == Path.cwd() else str(folder)
    text = f"Wrote the project {written.project}, {counted(len(written.files), 'file')}, into {where}. Next:\n\n"
    left = f"Left {', '.join(written.left)} as it is: .featurectl/ is best not committed.\n\n" if written.left else ""
    result = {
        "folder": str(folder.resolve()),
        "template": template,
        "project": written.project,
        "files": written.files,
        "next": list(written.following),
    }
    return Outcome(text=left + text + "".join(f"  {line}\n" for line in written.following), result=result)
