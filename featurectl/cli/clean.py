"""`featurectl clean`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.verb import verb
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.units import counted, format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.monitor.clean import Leftover, SmallFiles

_HEAD: Final = ("kind", "what", "size")
_SMALL: Final = ("small files of", "files", "size")


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
                "--predictions-older-than",
                help="Remove days of the prediction log; `prediction_log.keep` without it.",
                metavar="DURATION",
            ),
        ] = None,
        model_files: Annotated[
            bool, typer.Option("--model-files", help="Remove model files that no version of this registry has, too.")
        ] = False,
    ) -> Outcome:
        """Remove what nothing needs any more, and say how much it was.

        Tables and online rows of view versions that are neither the newest of an applied view nor bound to a model
        version, nor served until the newest is pushed; files of tables that no version needs that may be asked for;
        what killed runs have left; crash logs; predictions that are kept no longer. The small files of days of the
        prediction log that are over are made into few: the small ones go with a run two hours later, as somebody may be
        reading them.

        What a manifest or a model version names, what is younger than --older-than, and what a running process uses
        stays; so do tables and models at a place that another environment with another registry has, too. Run it at
        any time, beside other commands.

        --model-files is for a place at which no other registry and no other project keeps models.
        """
        from featurectl.monitor.clean import Cleaning, find_leftovers, find_small_files

        age, kept = _length(older_than, "--older-than"), None
        if predictions is not None:
            kept = _length(predictions, "--predictions-older-than")
        with open_applied(call) as workspace:
            call.progress.start("look at the stores")
            clock = datetime.now(UTC)
            where = Cleaning(workspace=workspace, clock=clock, age=age, predictions=kept, models=model_files)
            found, small = find_leftovers(where), find_small_files(where)
            call.progress.done("")
            failures: list[Failure] = []
            if not dry_run:
                found, failures = _remove(call, found)
                small, more = _compact(call, small)
                failures += more
        text = "" if failures and not (found or small) else _render(found, small, dry_run=dry_run)
        return Outcome(text=text, result=_json(found, small, dry_run=dry_run), failures=tuple(failures))


def _length(text: str, option: str) -> timedelta:
    from featurectl.core.units import parse_duration

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


def _compact(call: Call, small: Sequence[SmallFiles]) -> tuple[list[SmallFiles], list[Failure]]:
    """Make small files into fewer, and return what was done; what fails does not keep the rest."""
    done: list[SmallFiles] = []
    failures: list[Failure] = []
    for day in small:
        call.progress.start(f"compact {day.name}")
        try:
            day.compact()
        except FeaturectlError as error:
            failures.append(Failure(part=f"small files {day.name}", error=error))
        else:
            done.append(day)
            call.progress.done(f"compacted {day.name}")
    return done, failures


def _render(found: Sequence[Leftover], small: Sequence[SmallFiles], *, dry_run: bool) -> str:
    from featurectl.cli.render.table import render_table

    lines: list[str] = []
    if found:
        rows = [[item.kind, item.name, _size(item)] for item in found]
        total = format_bytes(sum(item.size or 0 for item in found))
        did = "would be removed" if dry_run else "removed"
        lines += [*render_table(_HEAD, rows), "", f"{counted(len(found), 'thing')}, {total} {did}."]
    if small:
        rows = [[day.name, f"{day.files:,}", format_bytes(day.size)] for day in small]
        did = "would be made" if dry_run else "made"
        told = f"{counted(sum(day.files for day in small), 'small file')} {did} into large ones"
        told += "; a run two hours later removes the small ones."
        lines += [*([""] if lines else []), *render_table(_SMALL, rows), "", told]
    return "\n".join(lines) if lines else "Nothing to remove."


def _size(item: Leftover) -> str:
    if item.size is None:
        return "unknown" if item.entities is None else f"{format_count(item.entities)} keys"
    return format_bytes(item.size)


def _json(found: Sequence[Leftover], small: Sequence[SmallFiles], *, dry_run: bool) -> dict[str, object]:
    told = [{"kind": i.kind, "name": i.name, "bytes": i.size, "entities": i.entities} for i in found]
    days = [{"name": day.name, "files": day.files, "bytes": day.size} for day in small]
    total = sum(item.size or 0 for item in found)
    return {"dry_run": dry_run, "bytes": total, "leftovers": told, "compacted": days}
