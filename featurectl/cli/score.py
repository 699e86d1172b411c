"""`featurectl score`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.training_set import SinceOption, SpineOption, UntilOption, instant
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.operations.scoring.destination import Destination
    from featurectl.operations.scoring.job import ScoringRows
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "score", as_of=True, memory=True)
    def score(
        call: Call,
        model: Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")],
        spine: SpineOption = None,
        all_keys: Annotated[bool, typer.Option("--all-keys", help="Score every key that the views know, now.")] = False,
        out: Annotated[
            str | None,
            typer.Option(help="Where to write: NAME.parquet, .csv, .delta, a folder/, or a database's URL?table=NAME."),
        ] = None,
        since: SinceOption = None,
        until: UntilOption = None,
        restart: Annotated[bool, typer.Option("--restart", help="Don't continue a run that was killed.")] = False,
        allow_pickle: Annotated[
            bool, typer.Option("--allow-pickle", help="Load a model that runs code when it is loaded.")
        ] = False,
    ) -> Outcome:
        """Score the rows of a spine with a model version.

        The features are of the versions that it was trained on, whatever the files say by now. A run that was killed
        is continued when the same command is given again.
        """
        from featurectl.operations.scoring.destination import open_destination
        from featurectl.operations.scoring.job import ScoringRows
        from featurectl.operations.training.spine import Cut

        if not out:
            raise UsageError("where to? --out FILE is missing", hint="--out scores.parquet")
        cut = Cut(since=instant(since), until=instant(until))
        if all_keys and (spine is not None or cut != Cut()):
            raise UsageError("--all-keys scores every key, now: it takes no --spine, --since or --until")
        name, _, which = model.partition("@")
        task = _Task(
            model=name,
            which=which or "champion",
            wanted=ScoringRows(spine=spine, all_keys=all_keys, cut=cut),
            to=open_destination(out, name),
            restart=restart,
            allow_pickle=allow_pickle,
        )
        return _run(call, task)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is asked for: a version of a model by its number or alias, rows, and where their scores go."""

    model: str
    which: str
    wanted: ScoringRows
    to: Destination
    restart: bool
    allow_pickle: bool


def _run(call: Call, task: _Task) -> Outcome:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.engines.open import open_engine
    from featurectl.engines.spill import SpillRoom
    from featurectl.models.served_model import open_native
    from featurectl.operations.scoring.checkpoint import keep_scores
    from featurectl.operations.scoring.destination import FileDestination
    from featurectl.operations.scoring.job import Job
    from featurectl.operations.training.long_spine import SpillPlace
    from featurectl.operations.training.output_conflict import check_apart
    from featurectl.operations.training.request import TrainingStores
    from featurectl.registry.applied import choose_version
    from featurectl.workspace.workspace import open_workspace

    clock = datetime.now(UTC)
    with open_workspace(call.root(), call.env, call.instant(), "unread") as workspace:
        state, clocks = workspace.applied_state(), NaiveClocks(call, workspace)
        engine = open_engine(workspace.environment, call.memory_bytes())
        version = choose_version(state, task.model, task.which)
        if isinstance(task.to, FileDestination):
            check_apart(task.to.path, task.wanted.spine, workspace.repo.sources.values(), workspace.root)
        task.to.check()
        leave = workspace.leave(state, by_flag=task.allow_pickle)
        load = open_native(version, workspace.offline_location(), leave)
        stores = TrainingStores(state=state, offline=workspace.offline(), open_source=clocks.open, now=workspace.now)
        request = _request(call, workspace, task, version)
        kept_below = workspace.root / ".featurectl" / "scores"
        with SpillRoom(workspace.spill_folder()) as room, keep_scores(kept_below, request, clock) as kept:
            if task.restart:
                kept.clear()
            job = Job(
                version=version,
                load=load,
                wanted=task.wanted,
                engine=engine,
                stores=stores,
                place=SpillPlace(room=room, memory_bytes=engine.memory_bytes),
                kept=kept,
                progress=call.progress,
                clock=clock,
            )
            scored, manifest = job.run(task.to)
        clocks.tell()
    rows = scored.frames.height
    reach = "" if scored.least is None else f", {manifest['output']} {scored.least:.4f} .. {scored.greatest:.4f}"
    text = f"{task.to.shown}: {counted(rows, 'row')} by {task.model} version {version.version}{reach}"
    result = {"out": task.to.shown, "rows": rows, "model": task.model, "version": version.version}
    return Outcome(text=text, result={**result, "manifest": manifest})


def _request(call: Call, workspace: Workspace, task: _Task, version: ModelVersion) -> dict[str, object]:
    """Return what two runs have to have in common for one to continue the other."""
    from featurectl.operations.training.manifest import library_versions

    wanted = task.wanted
    spine = None if wanted.spine is None else [wanted.spine, str(Path(wanted.spine).absolute())]
    return {
        "project": [workspace.project, workspace.environment.name],
        "as_of": call.as_of,
        "model": [version.model, version.version, version.artifact_sha256],
        "spine": [spine, wanted.all_keys, wanted.cut.since, wanted.cut.until],
        "out": task.to.shown,
        "libraries": library_versions(),
    }
