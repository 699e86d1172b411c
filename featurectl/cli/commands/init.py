"""`featurectl init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.units import counted
from featurectl.operations.init import NEXT, init_repository


@verb()
def init(
    call: Call,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make: new, or empty.")],
    template: Annotated[str, typer.Option(help=f"{' or '.join(NEXT)}.")] = "flights",
) -> Outcome:
    """Write a repository that works at once. It brings its data; the next commands are printed."""
    written = init_repository(folder, template)
    text = f"Wrote the project {written.project}, {counted(len(written.files), 'file')}, into {folder}. Next:\n\n"
    result = {
        "folder": str(folder.resolve()),
        "template": template,
        "project": written.project,
        "files": written.files,
        "next": list(written.following),
    }
    return Outcome(text=text + "".join(f"  {line}\n" for line in written.following), result=result)
