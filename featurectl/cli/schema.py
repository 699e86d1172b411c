"""`featurectl schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.errors import UsageError


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "schema")
    def schema(
        call: Call,
        out: Annotated[Path | None, typer.Option("--out", help="Write it to a file.", metavar="FILE")] = None,
    ) -> Outcome:
        """Write the JSON Schema of a repository's files. Editors complete and check keys with it."""
        del call
        from featurectl.spec.schema import file_schema

        made = file_schema()
        text = json.dumps(made, indent=2)
        if out is None:
            return Outcome(text=text, result=made)
        try:
            out.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--out {out} can't be written: {error.strerror}") from error
        return Outcome(text=f"wrote {out}", result={"out": str(out)})
