"""`featurectl schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.cli.whole_file import write_whole
from featurectl.core.errors import UsageError


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "schema")
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
        del call
        from featurectl.language.schema import file_schema, project_schema

        made = project_schema() if project else file_schema()
        text = json.dumps(made, indent=2)
        if out is None:
            return Outcome(text=text, result=made)
        try:
            write_whole(out, text + "\n")
        except OSError as error:
            raise UsageError(f"--out {out} can't be written: {error.strerror}") from error
        return Outcome(text=f"wrote {out}", result={"out": str(out)})
