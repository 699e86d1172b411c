"""`featurectl train`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.units import counted, format_count


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "train", memory=True)
    def train(
        call: Call,
        model: Annotated[str, typer.Argument(help="An applied model.")],
        allow_pickle: Annotated[
            bool, typer.Option(help="Load a champion that runs code when it is loaded, to compare with it.")
        ] = False,
    ) -> Outcome:
        """Train a model, measure its gates and register the version.

        It builds the training set, fits on the earlier rows and measures on the later ones. A version that fails a gate
        is kept as rejected, and the exit code is 1; the first that passes becomes the champion.
        """
        from featurectl.apply import caller, git_commit
        from featurectl.cli.clocks import NaiveClocks
        from featurectl.cli.render.gates import render_gates
        from featurectl.cli.render.models import version_json
        from featurectl.cli.unapplied import warn_unapplied
        from featurectl.engines.polars.engine import PolarsEngine
        from featurectl.engines.spill import SpillRoom
        from featurectl.models.gates.evaluate import failed_gates, gates_asked
        from featurectl.open import open_workspace
        from featurectl.training.bind import bind_newest, registered_model, view_names
        from featurectl.training.champion import Ring
        from featurectl.training.choose import read_spine
        from featurectl.training.label import read_target
        from featurectl.training.train import Registration, require_trainer, train_model
        from featurectl.training.training_set import build_training_set

        with open_workspace(call.root(), call.env, None, "if there") as workspace:
            state = workspace.state()
            warn_unapplied(call, workspace, state)
            definition = registered_model(state, model)
            trainer = require_trainer(definition)
            gates_asked(definition.gates)
            views = bind_newest(state, workspace.offline(), view_names(definition.inputs))
            clocks = NaiveClocks(call, workspace)
            call.progress.start("build the training set")
            spine = read_spine(clocks.open, state, definition, None)
            engine = PolarsEngine(call.memory_bytes())
            with SpillRoom(workspace.spill_folder()) as room:
                target = read_target(engine, definition.spine.label, clocks.open, workspace.now, room)
                rows = build_training_set(engine, spine, definition.inputs, views, target)
            call.progress.done(
                f"training set: {counted(rows.rows.height, 'row')}, {counted(len(rows.inputs), 'input')}"
            )
            clocks.tell()
            call.progress.start(f"fit {trainer.estimator}")
            ring = Ring(
                state=state,
                offline=workspace.offline(),
                location=workspace.offline_location(),
                engine=engine,
                allow_pickle=allow_pickle,
            )
            to = Registration(
                registry=workspace.registry(),
                ring=ring,
                now=datetime.now(UTC),
                who=caller(),
                commit=git_commit(workspace.root),
            )
            version = train_model(definition, rows, to)
            call.progress.done(f"fitted on {counted(version.rows_train, 'row')}")
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in version.metrics.items())
        text = (
            f"{model} version {version.version}: {counted(len(version.inputs), 'input')}, trained on "
            f"{counted(version.rows_train, 'row')}, validated on the last {format_count(version.rows_validation)}\n"
            f"{metrics}"
        )
        failed = failed_gates(version.gates)
        if failed:
            count = counted(len(failed), "gate")
            text += f"\n{render_gates(failed)}\nrejected: it fails {count}; kept, and never champion."
        return Outcome(text=text, result=version_json(version, {}), exit_code=1 if failed else 0)
