"""`featurectl monitor drift`."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.training_set import instant
from featurectl.cli.verb import verb
from featurectl.cli.whole_file import write_whole
from featurectl.core.errors import UsageError
from featurectl.core.units import format_instant, moved_by

if TYPE_CHECKING:
    from featurectl.cli.render.drift import DriftTable
    from featurectl.models.profile.profile import Profile
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace

_MIN_ROWS: Final = 100
_LAST: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)


def add_to(group: typer.Typer) -> None:
    """Add the command to the group `monitor`."""

    @verb(group, "drift", as_of=True, memory=True)
    def drift(
        call: Call,
        model: Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")],
        served: Annotated[
            bool, typer.Option("--served", help="What was served, by the prediction log: default.")
        ] = False,
        batch: Annotated[
            str | None, typer.Option(help="Or the features of these rows, joined now.", metavar="FILE|SOURCE")
        ] = None,
        since: Annotated[
            str | None,
            typer.Option(help="Only rows from this instant on; of served ones a day before --until.", metavar="TIME"),
        ] = None,
        until: Annotated[
            str | None, typer.Option(help="Only rows before this instant; of served ones now.", metavar="TIME")
        ] = None,
        limit: Annotated[
            list[str] | None,
            typer.Option(
                help="METRIC=NUMBER or FEATURE:METRIC=NUMBER, again for others; metrics are psi, js, ks, wasserstein, "
                "null_rate and outside. Default: psi=0.2 null_rate=0.1.",
                metavar="LIMIT",
            ),
        ] = None,
        min_rows: Annotated[int, typer.Option(help="Below so many rows nothing is judged.")] = _MIN_ROWS,
        html: Annotated[
            Path | None, typer.Option(help="Write the distributions as a page, too.", metavar="FILE")
        ] = None,
        allow_pickle: Annotated[
            bool, typer.Option("--allow-pickle", help="Load a model that runs code, to score the rows of --batch.")
        ] = False,
    ) -> Outcome:
        """Compare features and scores with those that a model was trained on.

        Exits 1 when one is beyond its limit by more than chance gives in so many rows.
        """
        if html is not None:
            _check_place(html)
        if served and batch is not None:
            raise UsageError("--served or --batch: which of them?", hint="served is the default")
        window = (instant(since), instant(until))
        _check_order(*window)
        name, _, which = model.partition("@")
        task = _Task(
            model=name, which=which or "champion", batch=batch, since=window[0], until=window[1],
            limits=tuple(limit or ()), min_rows=min_rows, html=html, allow_pickle=allow_pickle,
        )  # fmt: skip
        return _run(call, task)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is asked for: a version of a model by its number or alias, rows, limits, and where a page goes."""

    model: str
    which: str
    batch: str | None
    since: datetime | None
    until: datetime | None
    limits: tuple[str, ...]
    min_rows: int
    html: Path | None
    allow_pickle: bool


def _run(call: Call, task: _Task) -> Outcome:
    from featurectl.cli.render.drift import DriftTable, drift_json, render_drift
    from featurectl.monitor.drift.compare import compare_profiles
    from featurectl.monitor.drift.limits import parse_limits
    from featurectl.monitor.drift.reference import load_reference
    from featurectl.registry.applied import choose_version

    with open_applied(call, call.instant()) as workspace:
        version = choose_version(workspace.applied_state(), task.model, task.which)
        reference = load_reference(version, workspace.offline_location())
        limits = parse_limits(task.limits, task.min_rows, _features(reference))
        if task.batch is None:
            window, where = _served(workspace, task, version, reference)
        else:
            window, where = _batch(call, workspace, task, version, reference)
        rows = compare_profiles((version.model, version.version), reference, window, limits)
    told = DriftTable(model=version.model, version=version.version, where=where, rows=rows, limits=limits)
    if task.html is not None:
        _write_page(task.html, told)
    broken = any(row.state == "drift" for row in rows)
    return Outcome(text=render_drift(told, _width()), result=drift_json(told), exit_code=1 if broken else 0)


def _check_place(page: Path) -> None:
    """Refuse a place for a page before anything is read."""
    try:
        fits = page.parent.is_dir() and not page.is_dir()
    except OSError as error:  # a name that is too long
        raise UsageError(f"--html {page}: {error.strerror}") from error
    if not fits:
        raise UsageError(f"--html {page}: no file can be written there", hint="a file in a folder that exists")


def _check_order(since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None and since >= until:
        hint = "--since 2026-11-23T00:00:00Z --until 2026-11-24T00:00:00Z"
        raise UsageError("--since is not before --until", hint=hint)


def _width() -> int:
    """Return how wide the terminal is, 0 where the text goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _features(reference: Profile) -> list[str]:
    return [column.name for column in reference.columns if column.kind == "feature"]


def _served(workspace: Workspace, task: _Task, version: ModelVersion, reference: Profile) -> tuple[Profile, str]:
    from featurectl.monitor.drift.logged_window import read_window

    until = task.until or moved_by(workspace.now, _TICK)  # what is served at now counts
    since = task.since or moved_by(until, -_LAST)
    _check_order(since, until)
    found = read_window(workspace, version, reference, (since, until))
    return found, f"served from {format_instant(since)} to {format_instant(until)}"


def _batch(
    call: Call, workspace: Workspace, task: _Task, version: ModelVersion, reference: Profile
) -> tuple[Profile, str]:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.engines.open import open_engine
    from featurectl.engines.spill import SpillRoom
    from featurectl.models.served_model import open_native
    from featurectl.monitor.drift.batch import DriftBatch
    from featurectl.operations.training.long_spine import SpillPlace
    from featurectl.operations.training.request import TrainingStores
    from featurectl.operations.training.spine import Cut

    assert task.batch is not None
    state, clocks = workspace.applied_state(), NaiveClocks(call, workspace)
    engine = open_engine(workspace.environment, call.memory_bytes())
    leave = workspace.leave(state, by_flag=task.allow_pickle)
    load = open_native(version, workspace.offline_location(), leave)
    with SpillRoom(workspace.spill_folder()) as room:
        batch = DriftBatch(
            version=version,
            load=load,
            spine=task.batch,
            cut=Cut(since=task.since, until=task.until),
            engine=engine,
            stores=TrainingStores(state=state, offline=workspace.offline(), open_source=clocks.open, now=workspace.now),
            place=SpillPlace(room=room, memory_bytes=engine.memory_bytes),
            progress=call.progress,
        )
        found = batch.read_window(reference)
    clocks.tell()
    ends = [(word, end) for word, end in (("from", task.since), ("to", task.until)) if end is not None]
    return found, " ".join([f"of {task.batch}", *(f"{word} {format_instant(end)}" for word, end in ends)])


def _write_page(path: Path, told: DriftTable) -> None:
    from featurectl.cli.render.drift_page import render_page

    try:
        write_whole(path, render_page(told))
    except OSError as error:
        raise UsageError(f"--html {path}: {error.strerror}") from error
