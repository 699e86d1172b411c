"""`featurectl training-set`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import Since, SpineOption, Until
from featurectl.cli.shared.times import instant
from featurectl.cli.shared.workspaces import open_with
from featurectl.core.errors import UsageError
from featurectl.core.units import counted, plural

if TYPE_CHECKING:
    from featurectl.operations.training.assemble import TrainingSetRequest
    from featurectl.operations.training.write_set import WrittenTrainingSet


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetOptions:
    """Which features are joined to which rows, and where they go."""

    model: Annotated[str | None, typer.Argument(help="A model whose features, spine and label to use.")] = None
    features: Annotated[
        list[str] | None,
        typer.Option(
            help='Instead of a model: view:a,view:b or view:*; "view:* as PREFIX_" names its columns apart. '
            "May be repeated."
        ),
    ] = None
    spine: SpineOption = None
    keys_from: Annotated[
        str | None, typer.Option(help="Instead of a spine: every key that a view knows at --at.", metavar="VIEW")
    ] = None
    at: Annotated[str | None, typer.Option(help="The instant of --keys-from; now by default.", metavar="TIME")] = None
    time: Annotated[str | None, typer.Option(help="The spine's column with the time of a row.", metavar="COLUMN")] = (
        None
    )
    known_at: Annotated[
        str | None,
        typer.Option(help="The spine's column with when an answer is made: what is known by then.", metavar="COLUMN"),
    ] = None
    join: Annotated[
        list[str] | None,
        typer.Option(
            help="With --features: the spine's column of a key that is called otherwise. Once for each.",
            metavar="KEY=COLUMN",
        ),
    ] = None
    out: Annotated[Path | None, typer.Option(help="Where to write: NAME.parquet, NAME.csv or NAME.delta.")] = None
    since: Since = None
    until: Until = None
    sample: Annotated[float, typer.Option(help="The share of rows to draw, above 0 to 1.")] = 1.0
    seed: Annotated[int, typer.Option(help="The seed of the sample.")] = 0
    as_served: Annotated[
        bool, typer.Option("--as-served", help="Values as the online store had them, by each view's refresh.")
    ] = False
    inputs_only: Annotated[
        bool,
        typer.Option(
            "--inputs-only", help="Write the inputs and the label alone: no keys, times and columns that make a label."
        ),
    ] = False
    from_manifest: Annotated[
        Path | None, typer.Option(help="Make the rows of this manifest again.", metavar="FILE")
    ] = None


@verb(memory=True)
def training_set(call: Call, options: TrainingSetOptions) -> Outcome:
    """Join features to a spine as they were known then.

    One row is written per spine row, in its order, and a manifest beside it: FILE.manifest.json.
    """
    from featurectl.operations.training.write_set import write_training_set

    request = _request(call, options)
    with open_with(call, "if there") as workspace:
        written = write_training_set(workspace, request, call.progress)
    return _outcome(request, written)


def _request(call: Call, options: TrainingSetOptions) -> TrainingSetRequest:
    from featurectl.language.resolve.feature_names import feature_choices
    from featurectl.operations.training.request import TrainingRequest
    from featurectl.operations.training.spine import Cut
    from featurectl.operations.training.write_set import checked_request

    chosen = feature_choices(part for text in options.features or () for part in text.split(","))
    cut = Cut(since=instant(options.since), until=instant(options.until), sample=options.sample, seed=options.seed)
    training = TrainingRequest(
        model=options.model,
        features=tuple(chosen),
        spine=options.spine,
        keys_from=options.keys_from,
        at=instant(options.at),
        time=options.time,
        known_at=options.known_at,
        join=tuple(_joined(text) for text in options.join or ()),
        cut=cut,
        as_served=options.as_served,
        inputs_only=options.inputs_only,
    )
    return checked_request(training, options.out, options.from_manifest, call.memory_bytes())


def _joined(text: str) -> tuple[str, str]:
    key, sign, column = text.partition("=")
    if not (key and sign and column):
        raise UsageError(f"--join {text!r} is not KEY=COLUMN", hint="--join airport=origin")
    return key, column


def _outcome(request: TrainingSetRequest, written: WrittenTrainingSet) -> Outcome:
    from featurectl.operations.training.unknown_keys import unknown_document

    inputs, frames = written.build.resolved.inputs, written.build.frames
    rows_and_columns = f"{counted(frames.height, 'row')}, {counted(len(frames.schema), 'column')}"
    text = f"{request.out}: {rows_and_columns}, {len(inputs)} of them {plural(len(inputs), 'an input', 'inputs')}"
    lists = {
        "inputs": [item.name for item in inputs],
        "label": [written.build.label] if written.build.label else [],
        "others": written.build.others,
    }
    listed = [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]
    unknown = unknown_document(written.build.tally.unknown)
    result: dict[str, object] = {"out": str(request.out), "unknown": unknown, "manifest": written.manifest}
    if request.manifest is None:
        return Outcome(text="\n".join([text, *listed, *written.build.unknown]), result=result)
    difference = written.difference
    bytes_ = f"other bytes: {difference}" if difference else "the same bytes"
    if written.is_left:
        text = f"{request.out}: left as it was, with the rows of the manifest"
    result = {**result, "same_bytes": not difference, "written": not written.is_left}
    return Outcome(text=f"{text}; {bytes_}", result=result, exit_code=int(bool(difference)))
