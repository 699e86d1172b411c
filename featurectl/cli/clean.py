"""`featurectl clean`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.verb import verb
from featurectl.errors import FeaturectlError, UsageError
from featurectl.units import counted, format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.clean import Leftover

_HEAD: Final = ("kind", "what", "size")


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "clean")
    def clean(
        call: Call,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
        older_than: Annotated[
            str, typer.Option(help="Leave what was written since so long; at least 1d.", metavar="DURATION")
        ] = "7d",
        predictions: Annotated[
            str | None,
            typer.Option(
                "--predictions-older-than", help="Remove days of the prediction log, too.", metavar="DURATION"
            ),
        ] = None,
        model_files: Annotated[
            bool, typer.Option("--model-files", help="Remove model files that no version of this registry has, too.")
        ] = False,
    ) -> Outcome:
        """Remove what nothing needs any more, and say how much it was.

        Tables and online rows of view versions that are neither the newest of an applied view nor bound to a model
        version, nor served until the newest is pushed; files of tables that no version needs that may be asked for;
        what killed runs have left; crash logs. What a manifest or a model version names, what is younger than
        --older-than, and what a running process uses stays; so do tables and models at a place that another environment
        with another registry has, too. Run it at any time, beside other commands.

        --model-files is for a place at which no other registry and no other project keeps models.
        """
        from featurectl.clean import Cleaning, find_leftovers

        age, kept = _length(older_than, "--older-than"), None
        if predictions is not None:
            kept = _length(predictions, "--predictions-older-than")
        with open_applied(call) as workspace:
            call.progress.start("look at the stores")
            clock = datetime.now(UTC)
            where = Cleaning(workspace=workspace, clock=clock, age=age, predictions=kept, models=model_files)
            found = find_leftovers(where)
            call.progress.done("")
            done, failures = (found, []) if dry_run else _remove(call, found)
        text = "" if failures and not done else _render(done, dry_run=dry_run)
        return Outcome(text=text, result=_json(done, dry_run=dry_run), failures=tuple(failures))


def _length(text: str, option: str) -> timedelta:
    from featurectl.units import parse_duration

    found = parse_duration(text)
    if found is None or timedelta(microseconds=found) < timedelta(days=1):
        raise UsageError(f"{option} {text!r} is no length of time of at least a day", hint="write it like 7d")
    return timedelta(microseconds=found)


def _remove(call: Call, found: Sequence[Leftover]) -> tuple[list[Leftover], list[Failure]]:
    """Remove what was found, and return what is gone and what failed, which does not keep the rest."""
    done, failures = [], []
    for item in found:
        try:
            item.remove()
        except FeaturectlError as error:
            failures.append(Failure(part=f"{item.kind} {item.name}", error=error))
        else:
            done.append(item)
            call.progress.done(f"removed {item.kind} {item.name}")
    return done, failures


def _render(found: Sequence[Leftover], *, dry_run: bool) -> str:
    from featurectl.cli.render.table import render_table

    if not found:
        return "Nothing to remove."
    rows = [[item.kind, item.name, _size(item)] for item in found]
    total = format_bytes(sum(item.size or 0 for item in found))
    did = "would be removed" if dry_run else "removed"
    return "\n".join([*render_table(_HEAD, rows), "", f"{counted(len(found), 'thing')}, {total} {did}."])


def _size(item: Leftover) -> str:
    if item.size is None:
        return f"{format_count(item.entities or 0)} keys"
    return format_bytes(item.size)


def _json(found: Sequence[Leftover], *, dry_run: bool) -> dict[str, object]:
    told = [{"kind": i.kind, "name": i.name, "bytes": i.size, "entities": i.entities} for i in found]
    return {"dry_run": dry_run, "bytes": sum(item.size or 0 for item in found), "leftovers": told}
