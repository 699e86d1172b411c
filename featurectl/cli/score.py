"""`featurectl score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.training_set import SinceOption, SpineOption, UntilOption, instant
from featurectl.cli.verb import verb
from featurectl.errors import UsageError
from featurectl.units import counted


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "score", as_of=True, memory=True)
    def score(
        call: Call,
        model: Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")],
        spine: SpineOption = None,
        out: Annotated[Path | None, typer.Option(help="Where to write: NAME.parquet, NAME.csv or NAME.delta.")] = None,
        since: SinceOption = None,
        until: UntilOption = None,
        allow_pickle: Annotated[bool, typer.Option(help="Load a model that runs code when it is loaded.")] = False,
    ) -> Outcome:
        """Score the rows of a spine with a model version.

        The features are of the versions that it was trained on, whatever the files say by now.
        """
        from featurectl.cli.clocks import NaiveClocks
        from featurectl.engines.polars.engine import PolarsEngine
        from featurectl.models.served import load_native
        from featurectl.open import open_workspace
        from featurectl.registry.applied import choose_version
        from featurectl.scoring import Scorer, score_spine, trained_model
        from featurectl.training.bind import bind_model_version
        from featurectl.training.choose import read_spine
        from featurectl.training.formats import check_columns
        from featurectl.training.output import check_output, write_table
        from featurectl.training.spine import Cut, cut_spine

        if out is None:
            raise UsageError("where to? --out FILE is missing", hint="--out scores.parquet")
        check_output(out)
        cut = Cut(since=instant(since), until=instant(until))
        name, _, which = model.partition("@")
        with open_workspace(call.root(), call.env, call.instant(), "unread") as workspace:
            state = workspace.state()
            version = choose_version(state, name, which or "champion")
            definition = trained_model(version)
            scorer = Scorer(
                version=version,
                model=definition,
                views=bind_model_version(state, workspace.offline(), version, workspace.now),
                runtime=load_native(version, workspace.offline_location(), allow_pickle=allow_pickle),
            )
            clocks = NaiveClocks(call, workspace)
            call.progress.start("read the spine")
            rows = cut_spine(read_spine(clocks.open, state, definition, spine), cut)
            call.progress.done(f"spine {rows.origin}: {counted(rows.own.height, 'row')}")
            clocks.tell()
            check_columns(rows.own.schema, out)
            call.progress.start("score")
            scored = score_spine(PolarsEngine(call.memory_bytes()), scorer, rows)
            call.progress.done(f"scored {counted(scored.height, 'row')}")
            write_table(scored, out)
        values = scored[scorer.output].to_numpy()
        summary = f", {scorer.output} {values.min():.4f} .. {values.max():.4f}" if len(values) else ""
        text = f"{out}: {counted(scored.height, 'row')} by {name} version {version.version}{summary}"
        result = {"out": str(out), "rows": scored.height, "model": name, "version": version.version}
        return Outcome(text=text, result=result)
