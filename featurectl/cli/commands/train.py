"""`featurectl train`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_with
from featurectl.core.errors import UsageError
from featurectl.core.units import plural

if TYPE_CHECKING:
    from featurectl.operations.training.train_model import TrainResult

FromVersion = Annotated[
    int | None, typer.Option(help="Train this version once more, on the data that it was trained on.", min=1)
]
Register = Annotated[
    bool, typer.Option("--register", help="With --from-version: register what comes out as a new version.")
]
TrainAgain = Annotated[
    bool, typer.Option("--again", help="Train also where a version of equal data, code and parameters is there.")
]
AllowTrainedPickle = Annotated[
    bool,
    typer.Option(
        "--allow-pickle", help="Load a pickle that the trainer's command leaves, or a champion to compare with."
    ),
]


@verb(memory=True)
def train(
    call: Call,
    model: Annotated[str, typer.Argument(help="An applied model.")],
    from_version: FromVersion = None,
    register: Register = False,
    again: TrainAgain = False,
    allow_pickle: AllowTrainedPickle = False,
) -> Outcome:
    """Train a model, measure its gates and register the version.

    It builds the training set, fits on the earlier rows and measures on the later ones, or on those of the
    validation source. A version that fails a gate is kept as rejected, and the exit code is 1; the first that
    passes becomes the champion. Where a version was made of equal data, code and parameters, it measures the gates of
    that one and makes none. With `--from-version` it says whether metrics and bytes are the same, and
    registers nothing without `--register`.
    """
    from featurectl.operations.training.train_model import TrainRequest, train_model

    if register and from_version is None:
        raise UsageError("--register goes with --from-version", hint="without either, train registers the version")
    if again and from_version is not None:
        raise UsageError("--again, and --from-version", hint="--from-version trains again anyway")
    request = TrainRequest(
        model=model,
        from_version=from_version,
        register=register,
        again=again,
        allow_pickle=allow_pickle,
        memory_bytes=call.memory_bytes(),
        write=sys.stderr.write,
    )
    with open_with(call, "if there") as workspace:
        result = train_model(workspace, request, call.progress)
    for warning in result.input_warnings:
        call.progress.done(f"warning: {warning.sentence}")
    if result.offline_views:
        views = f"{', '.join(result.offline_views)} {plural(len(result.offline_views), 'is', 'are')} offline only"
        call.progress.done(f"warning: the model can be scored and not served: {views}")
    return _again(result, registered=request.is_registered) if result.original is not None else _new(result)


def _new(result: TrainResult) -> Outcome:
    """Return what is to say of a version that was trained, or is the same."""
    from featurectl.render.models import version_json
    from featurectl.render.trained import render_same, render_trained

    version = result.version
    document = version_json(version, result.aliases)
    document["warnings"] = [asdict(warning) for warning in result.input_warnings]
    document["offline_views"] = list(result.offline_views)
    document["new"] = result.is_new
    if result.is_new or result.original is not None:
        text, is_rejected = render_trained(version, result.aliases), version.status == "rejected"
    else:
        text, is_rejected = render_same(version, result.aliases), any(item.passed is False for item in version.gates)
    return Outcome(text=text, result=document, exit_code=int(is_rejected))


def _again(result: TrainResult, *, registered: bool) -> Outcome:
    """Return how far a version that was trained once more is the same."""
    from featurectl.operations.training.retrain import compare_versions
    from featurectl.render.retrained import comparison_json, render_comparison

    assert result.original is not None
    new, was = _new(result), result.original
    found = compare_versions(was, result.version)
    comparison = render_comparison(was, found)
    document = {**new.result, "from_version": was.version, "registered": registered, **comparison_json(found)}
    text = f"{comparison}\n{new.text}" if registered else comparison
    return Outcome(text=text, result=document, exit_code=int(bool(found.metrics or new.exit_code)))
