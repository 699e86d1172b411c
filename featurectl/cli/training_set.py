"""`featurectl training-set`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.errors import UsageError
from featurectl.units import counted, parse_instant, plural

SpineOption = Annotated[str | None, typer.Option("--spine", help="A file or a source with the rows to answer.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Only rows from this instant on.", metavar="TIME")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only rows before this instant.", metavar="TIME")]


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
    ) -> Outcome:
        """Join features to a spine as they were known then.

        One row is written per spine row, in its order, and a manifest beside it: NAME.manifest.json.
        """
        from featurectl.cli.clocks import NaiveClocks
        from featurectl.cli.unapplied import warn_unapplied
        from featurectl.engines.polars.engine import PolarsEngine
        from featurectl.engines.spill import SpillRoom
        from featurectl.open import open_workspace
        from featurectl.training.bind import bind_newest, inputs_of, registered_model, view_names
        from featurectl.training.choose import read_spine
        from featurectl.training.formats import check_columns
        from featurectl.training.label import read_target
        from featurectl.training.manifest import describe_training_set
        from featurectl.training.output import check_output, write_with_manifest
        from featurectl.training.spine import Cut, cut_spine
        from featurectl.training.training_set import build_training_set

        if (model is None) == (features is None):
            raise UsageError("give a MODEL or --features, one of them")
        if out is None:
            raise UsageError("where to? --out FILE is missing", hint="--out train.parquet")
        check_output(out)
        cut = Cut(since=instant(since), until=instant(until), sample=share(sample), seed=seed)
        with open_workspace(call.root(), call.env, None, "if there") as workspace:
            state = workspace.state()
            warn_unapplied(call, workspace, state)
            definition = None if model is None else registered_model(state, model)
            wanted = [] if features is None else pairs(features)
            names = view_names(definition.inputs) if definition else [view for view, _ in wanted]
            views = bind_newest(state, workspace.offline(), names)
            inputs = definition.inputs if definition else inputs_of(views, wanted)
            clocks = NaiveClocks(call, workspace)
            call.progress.start("read the spine")
            rows = cut_spine(read_spine(clocks.open, state, definition, spine), cut)
            call.progress.done(f"spine {rows.origin}: {counted(rows.own.height, 'row')}")
            clocks.tell()
            check_columns(rows.own.schema, out)
            call.progress.start("join features")
            label = definition.spine.label if definition else None
            engine = PolarsEngine(call.memory_bytes())
            with SpillRoom(workspace.spill_folder()) as room:
                target = read_target(engine, label, clocks.open, workspace.now, room)
                made = build_training_set(engine, rows, inputs, views, target)
            clocks.tell()
            call.progress.done(f"joined {counted(len(inputs), 'column')} of {counted(len(views), 'view')}")
            manifest = write_with_manifest(made.rows, out, describe_training_set(made, inputs, cut, model or ""))
        rows_and_columns = f"{counted(made.rows.height, 'row')}, {counted(made.rows.width, 'column')}"
        text = f"{out}: {rows_and_columns}, {len(inputs)} of them {plural(len(inputs), 'an input', 'inputs')}"
        return Outcome(text=text, result={"out": str(out), "manifest": manifest})


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


def share(sample: float) -> float:
    """Return a share of rows.

    Raises:
        UsageError: it is not above 0 and at most 1.
    """
    if not 0 < sample <= 1:
        raise UsageError(f"--sample {sample} is no share", hint="above 0, at most 1")
    return sample


def pairs(text: str) -> list[tuple[str, str]]:
    """Return (view, feature) of `view:a,view:b`.

    Raises:
        UsageError: a part is not view:feature.
    """
    found = []
    for part in text.split(","):
        view, colon, feature = part.strip().partition(":")
        if not (view and colon and feature):
            hint = "write VIEW:FEATURE,VIEW:FEATURE, or VIEW:*"
            raise UsageError(f"--features: {part.strip()!r} is not view:feature", hint=hint)
        found.append((view, feature))
    return found
