"""`featurectl training-set`."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.render.visible import in_one_line
from featurectl.cli.verb import verb
from featurectl.core.errors import StoreError, UsageError
from featurectl.core.units import counted, parse_instant, plural

if TYPE_CHECKING:
    from featurectl.engines.base import Engine
    from featurectl.engines.spill import SpillRoom
    from featurectl.operations.training.build import TrainingSetBuild
    from featurectl.operations.training.label import LabelTarget
    from featurectl.operations.training.long_spine import AnySpine
    from featurectl.operations.training.reproduce import Manifest
    from featurectl.operations.training.request import ResolvedRequest, TrainingRequest, TrainingStores
    from featurectl.workspace.workspace import Workspace

SpineOption = Annotated[str | None, typer.Option("--spine", help="A file or a source with the rows to answer.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Only rows from this instant on.", metavar="TIME")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only rows before this instant.", metavar="TIME")]
_ALONE = "--from-manifest says itself what is asked for"


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "training-set", memory=True)
    def training_set(
        call: Call,
        model: Annotated[str | None, typer.Argument(help="A model whose features, spine and label to use.")] = None,
        features: Annotated[str | None, typer.Option(help="Instead of a model: view:a,view:b or view:*.")] = None,
        spine: SpineOption = None,
        out: Annotated[Path | None, typer.Option(help="Where to write: NAME.parquet, NAME.csv or NAME.delta.")] = None,
        since: SinceOption = None,
        until: UntilOption = None,
        sample: Annotated[float, typer.Option(help="The share of rows to draw, above 0 to 1.")] = 1.0,
        seed: Annotated[int, typer.Option(help="The seed of the sample.")] = 0,
        as_served: Annotated[
            bool, typer.Option("--as-served", help="Values as the online store had them, by each view's refresh.")
        ] = False,
        from_manifest: Annotated[
            Path | None, typer.Option(help="Make the rows of this manifest again.", metavar="FILE")
        ] = None,
    ) -> Outcome:
        """Join features to a spine as they were known then.

        One row is written per spine row, in its order, and a manifest beside it: FILE.manifest.json.
        """
        from featurectl.language.resolve.feature_names import feature_pairs
        from featurectl.operations.training.output import check_output
        from featurectl.operations.training.reproduce import load_manifest
        from featurectl.operations.training.request import TrainingRequest, check_request
        from featurectl.operations.training.spine import Cut

        pairs = feature_pairs([] if features is None else features.split(","))
        cut = Cut(since=instant(since), until=instant(until), sample=sample, seed=seed)
        request = TrainingRequest(model=model, features=tuple(pairs), spine=spine, cut=cut, as_served=as_served)
        if from_manifest is None:
            check_request(request)
        elif request != TrainingRequest(spine=spine):
            raise UsageError(_ALONE, hint="leave out all but --out and, if the spine has moved, --spine")
        if out is None:
            raise UsageError("where to? --out FILE is missing", hint="--out train.parquet")
        check_output(out)
        if from_manifest is None:
            return _run(call, _Task(request=request, out=out))
        manifest = load_manifest(from_manifest, out)
        return _run(call, _Task(request=request, out=out, manifest=manifest))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A training set to write, made again from a manifest if there is one."""

    request: TrainingRequest
    out: Path
    manifest: Manifest | None = None


def _run(call: Call, task: _Task) -> Outcome:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.cli.unapplied_warning import warn_unapplied
    from featurectl.engines.open import open_engine
    from featurectl.engines.spill import SpillRoom
    from featurectl.operations.training.build import make_training_set
    from featurectl.operations.training.formats import check_columns
    from featurectl.operations.training.long_spine import SpillPlace
    from featurectl.operations.training.manifest import describe_training_set
    from featurectl.operations.training.output import write_with_manifest
    from featurectl.operations.training.output_conflict import check_apart
    from featurectl.operations.training.request import TrainingStores, read_asked_spine
    from featurectl.workspace.workspace import open_workspace

    with (
        open_workspace(call.root(), call.env, None, "if there") as workspace,
        SpillRoom(workspace.spill_folder()) as room,
    ):
        check_apart(task.out, task.request.spine, workspace.repo.sources.values(), workspace.root)
        clocks, state = NaiveClocks(call, workspace), workspace.applied_state()
        engine = open_engine(workspace.environment, call.memory_bytes())
        if task.manifest is None:
            warn_unapplied(call, workspace, state)
        stores = TrainingStores(state=state, offline=workspace.offline(), open_source=clocks.open, now=workspace.now)
        asked = _request(task, stores)
        call.progress.start("read the spine")
        spine = read_asked_spine(asked, stores, SpillPlace(room=room, memory_bytes=engine.memory_bytes))
        call.progress.done(f"spine {spine.origin}: {counted(spine.height, 'row')}")
        clocks.tell()
        check_columns(spine.schema, task.out)
        call.progress.start("join features")
        target = _target(task, engine, asked, spine, (stores, room))
        made = make_training_set(engine, asked, spine, target, room)
        call.progress.done(f"joined {counted(len(asked.inputs), 'column')} of {counted(len(asked.views), 'view')}")
        clocks.tell()
        described = describe_training_set(made)
        _pin(call, workspace, made, hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest())
        original = "" if task.manifest is None else task.manifest.file_sha256
        manifest = write_with_manifest(made.frames, task.out, described, original)
    return _outcome(task, made, manifest)


def _pin(call: Call, workspace: Workspace, made: TrainingSetBuild, manifest: str) -> None:
    """Keep the table versions that a manifest names from being vacuumed; say so when the registry can't be written."""
    from featurectl.registry.base import Pin

    holder = f"manifest {manifest[:16]}"
    pins = [
        Pin(view=bound.view.name, version=bound.version, table_version=bound.table_version, holder=holder)
        for bound in made.asked.views.values()
    ]
    try:
        workspace.registry().write_pins(workspace.project, pins)
    except StoreError as error:
        if not call.quiet:
            what = "the table versions of the manifest are not pinned and may be vacuumed once they are a week old"
            sys.stderr.write(f"warning: {what}: {in_one_line(error.message)}\n")


def _request(task: _Task, stores: TrainingStores) -> ResolvedRequest:
    from featurectl.operations.training.reproduce import pinned_request
    from featurectl.operations.training.request import resolve_request

    if task.manifest is None:
        return resolve_request(task.request, stores)
    return pinned_request(task.manifest, stores, task.request.spine)


def _target(
    task: _Task, engine: Engine, asked: ResolvedRequest, spine: AnySpine, at: tuple[TrainingStores, SpillRoom]
) -> LabelTarget | None:
    from featurectl.operations.training.label import read_target
    from featurectl.operations.training.reproduce import check_same_spine, read_same_target

    stores, room = at
    if task.manifest is not None:
        check_same_spine(task.manifest, spine)
        return read_same_target(task.manifest, engine, asked, stores, room)
    label = asked.model.spine.label if asked.model else None
    return read_target(engine, label, stores.open_source, stores.now, room)


def _outcome(task: _Task, made: TrainingSetBuild, manifest: dict[str, object]) -> Outcome:
    from featurectl.operations.training.output import has_digest
    from featurectl.operations.training.reproduce import explain_difference

    inputs, frames = made.asked.inputs, made.frames
    rows_and_columns = f"{counted(frames.height, 'row')}, {counted(len(frames.schema), 'column')}"
    text = f"{task.out}: {rows_and_columns}, {len(inputs)} of them {plural(len(inputs), 'an input', 'inputs')}"
    result: dict[str, object] = {"out": str(task.out), "manifest": manifest}
    if task.manifest is None:
        return Outcome(text=text, result=result)
    difference = explain_difference(task.manifest, manifest)
    told = "the same bytes" if not difference else f"other bytes: {difference}"
    kept = bool(difference) and has_digest(task.out, task.manifest.file_sha256)
    text = f"{task.out}: left as it was, with the rows of the manifest" if kept else text
    result = {**result, "same_bytes": not difference, "written": not kept}
    return Outcome(text=f"{text}; {told}", result=result, exit_code=int(bool(difference)))


def instant(text: str | None) -> datetime | None:
    """Return the instant of an option, None when it is not given.

    Raises:
        UsageError: it is no instant.
    """
    if text is None:
        return None
    found = parse_instant(text)
    if found is None:
        raise UsageError(f"{text!r} is no instant", hint="write it like 2013-06-01T00:00:00Z")
    return found
