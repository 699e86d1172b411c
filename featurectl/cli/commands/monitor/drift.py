"""`featurectl monitor drift`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import VersionOrChampion
from featurectl.cli.shared.times import instant
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.monitor.drift.measure_drift import DriftRequest, DriftTable

_MIN_ROWS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """Which rows are compared, with which limits, and where a page of them goes."""

    served: Annotated[bool, typer.Option("--served", help="What was served, by the prediction log: default.")] = False
    batch: Annotated[
        str | None, typer.Option(help="Or the features of these rows, joined now.", metavar="FILE|SOURCE")
    ] = None
    since: Annotated[
        str | None,
        typer.Option(help="Only rows from this instant on; of served ones a day before --until.", metavar="TIME"),
    ] = None
    until: Annotated[
        str | None, typer.Option(help="Only rows before this instant; of served ones now.", metavar="TIME")
    ] = None
    limit: Annotated[
        list[str] | None,
        typer.Option(
            help="METRIC=NUMBER or FEATURE:METRIC=NUMBER, again for others; metrics are psi, js, ks, wasserstein, "
            "null_rate and outside. Default: psi=0.2 null_rate=0.1.",
            metavar="LIMIT",
        ),
    ] = None
    min_rows: Annotated[int, typer.Option(help="Below so many rows nothing is judged.")] = _MIN_ROWS
    html: Annotated[Path | None, typer.Option(help="Write the distributions as a page, too.", metavar="FILE")] = None
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load a model that runs code, to score the rows of --batch.")
    ] = False


@verb(as_of=True, memory=True)
def drift(call: Call, model: VersionOrChampion, options: DriftOptions) -> Outcome:
    """Compare features and scores with those of the training.

    Exits 1 when one is beyond its limit by more than chance gives in so many rows.
    """
    from featurectl.monitor.drift.measure_drift import measure_drift
    from featurectl.render.drift import drift_json, render_drift

    request = _request(call, model, options)
    with open_applied(call) as workspace:
        table = measure_drift(workspace, request, call.progress)
    if options.html is not None:
        _write_page(options.html, table)
    return Outcome(text=render_drift(table), result=drift_json(table), exit_code=1 if table.is_broken else 0)


def _request(call: Call, model: str, options: DriftOptions) -> DriftRequest:
    from featurectl.monitor.drift.measure_drift import DriftRequest, check_order
    from featurectl.registry.applied import split_name

    if options.html is not None:
        _check_place(options.html)
    if options.served and options.batch is not None:
        raise UsageError("--served or --batch: which of them?", hint="served is the default")
    since, until = instant(options.since), instant(options.until)
    check_order(since, until)
    name, which = split_name(model)
    return DriftRequest(
        model=name,
        which=which,
        batch=options.batch,
        since=since,
        until=until,
        limits=tuple(options.limit or ()),
        min_rows=options.min_rows,
        allow_pickle=options.allow_pickle,
        memory_bytes=call.memory_bytes(),
    )


def _check_place(page: Path) -> None:
    """Check the place for a page before anything is read."""
    try:
        fits = page.parent.is_dir() and not page.is_dir()
    except OSError as error:  # a name that is too long
        raise UsageError(f"--html {page}: {error.strerror}") from error
    if not fits:
        raise UsageError(f"--html {page}: no file can be written there", hint="a file in a folder that exists")


def _write_page(path: Path, table: DriftTable) -> None:
    from featurectl.render.drift_page import render_page
    from featurectl.workspace.whole_file import write_whole

    try:
        write_whole(path, render_page(table))
    except OSError as error:
        raise write_failure(f"--html {path}", error) from error
