"""`featurectl clean`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError
from featurectl.core.units import parse_duration

if TYPE_CHECKING:
    from featurectl.operations.clean.clean_workspace import CleanRequest

CleanDryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")]
OlderThan = Annotated[str, typer.Option(help="Leave what was written since so long; at least 1d.", metavar="DURATION")]
Predictions = Annotated[
    str | None,
    typer.Option(
        "--predictions-older-than",
        help="Remove days of the prediction log; `prediction_log.keep` without it.",
        metavar="DURATION",
    ),
]
ModelFilesOption = Annotated[
    bool, typer.Option("--model-files", help="Remove model files that no version of this registry has, too.")
]
EventsOption = Annotated[
    bool, typer.Option("--events", help="Remove what was logged of streams that are not applied any more, too.")
]
Unpin = Annotated[
    list[str] | None,
    typer.Option(
        help="Keep tables of a view version no longer for manifests of training sets; once for each.", metavar="VIEW@2"
    ),
]


@verb()
def clean(
    call: Call,
    dry_run: CleanDryRun = False,
    older_than: OlderThan = "7d",
    predictions: Predictions = None,
    model_files: ModelFilesOption = False,
    events: EventsOption = False,
    unpin: Unpin = None,
) -> Outcome:
    """Remove what nothing needs any more, and say how much it was.

    Tables and online rows of view versions that are neither the newest of an applied view nor bound to a model
    version, nor served until the newest is pushed; files of tables that no version needs that may be asked for;
    what killed runs have left; crash logs; predictions that are kept no longer. The small files of days of the
    prediction log that are over are made into few: the small ones go with a run two hours later, as somebody may be
    reading them.

    What a manifest or a model version names that is not retired, what is younger than --older-than, and what a
    running process uses stays; so do tables and models at a place that another environment with another registry
    has, too. Run it at any time, beside other commands.

    --unpin gives up what manifests of training sets name of a view version, before it is looked: `training-set
    --from-manifest` can't make these sets again.

    --model-files is for a place at which no other registry and no other project keeps models. --events removes the
    events of streams whose source was removed, which nothing else has any more.
    """
    from featurectl.operations.clean.clean_workspace import CleanRequest

    age = _length(older_than, "--older-than")
    kept = None if predictions is None else _length(predictions, "--predictions-older-than")
    request = CleanRequest(
        older_than=age,
        predictions=kept,
        model_files=model_files,
        events=events,
        unpin=tuple(unpin or ()),
        dry_run=dry_run,
    )
    return _clean(call, request)


def _clean(call: Call, request: CleanRequest) -> Outcome:
    from featurectl.operations.clean.clean_workspace import clean_up
    from featurectl.render.clean import cleaned_json, render_cleaned

    with open_applied(call) as workspace:
        cleaned = clean_up(workspace, request, call.progress)
    text = render_cleaned(cleaned, dry_run=request.dry_run)
    return Outcome(text=text, result=cleaned_json(cleaned, dry_run=request.dry_run), failures=cleaned.failures)


def _length(text: str, option: str) -> timedelta:
    found = parse_duration(text)
    if found is None or timedelta(microseconds=found) < timedelta(days=1):
        raise UsageError(f"{option} {text!r} is no length of time of at least a day", hint="write it like 7d")
    return timedelta(microseconds=found)
