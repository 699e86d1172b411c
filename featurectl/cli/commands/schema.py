"""`featurectl schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.disk_room import write_failure


@verb()
def schema(
    call: Call,
    project: Annotated[
        bool, typer.Option("--project", help="That of featurectl.yaml, in place of that of all other files.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to a file.", metavar="FILE")] = None,
) -> Outcome:
    """Write the JSON Schema of a repository's files. Editors complete, explain and check keys with it.

    featurectl.yaml has a schema of its own; `init` writes both into .featurectl.
    """
    from featurectl.language.json_schema import file_schema, project_schema

    made = project_schema() if project else file_schema()
    text = json.dumps(made, indent=2)
    if out is None:
        return Outcome(text=text, result=made, text_is="document")
    _write(out, text + "\n")
    return Outcome(text=f"wrote {out}", result={"out": str(out)})


def _write(out: Path, text: str) -> None:
    from featurectl.workspace.whole_file import write_whole

    try:
        write_whole(out, text)
    except OSError as error:
        raise write_failure(f"--out {out} can't be written", error) from error
