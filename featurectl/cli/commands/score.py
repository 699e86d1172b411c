"""`featurectl score`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import Since, SpineOption, Until, VersionOrChampion
from featurectl.cli.shared.times import instant
from featurectl.cli.shared.workspaces import open_with
from featurectl.core.errors import UsageError
from featurectl.core.units import counted, plural

if TYPE_CHECKING:
    from featurectl.operations.scoring.destination import Destination
    from featurectl.operations.scoring.job import ScoringRows
    from featurectl.operations.scoring.score_model import ScoreRequest, ScoreResult
    from featurectl.operations.scoring.score_part import PartResult
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """Which rows are scored, and where their scores go."""

    spine: SpineOption = None
    all_keys: Annotated[bool, typer.Option("--all-keys", help="Score every key that the views know, now.")] = False
    out: Annotated[
        str | None,
        typer.Option(
            help="Where to write: NAME.parquet, .csv, .delta, a folder/, a database's URL?table=NAME, topic:NAME."
        ),
    ] = None
    part: Annotated[
        str | None,
        typer.Option(help="Score the part I of N, beside the others; the last one writes all.", metavar="I/N"),
    ] = None
    run_id: Annotated[
        str | None,
        typer.Option(help="With --part: the run that it belongs to; rendered files say it."),
    ] = None
    since: Since = None
    until: Until = None
    restart: Annotated[bool, typer.Option("--restart", help="Don't continue a run that was killed.")] = False
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load a model that runs code when it is loaded.")
    ] = False


@verb(as_of=True, memory=True)
def score(call: Call, model: VersionOrChampion, options: ScoreOptions) -> Outcome:
    """Score the rows of a spine with a model version.

    The features are of the versions that it was trained on, whatever the files say by now. A run that was killed
    is continued when the same command is given again.

    With --part 1/4 to --part 4/4, in four processes, pods or tasks, each scores a part of the rows, and whichever is
    the last to end writes the output: nothing of it is there before. All see the instant, the tables, the model version
    and the spine of the one that began; one that is killed is given again alone. They meet in the offline store of the
    environment, which all have to reach, as they have to reach --out.
    """
    from featurectl.operations.scoring.part_number import parse_part
    from featurectl.operations.scoring.score_model import ScoreRequest, score_model
    from featurectl.operations.scoring.score_part import score_part
    from featurectl.registry.applied import split_name

    if not options.out:
        raise UsageError("where to? --out FILE is missing", hint="--out scores.parquet")
    selection = _selection(options)
    name, which = split_name(model)
    part = None if options.part is None else parse_part(options.part)
    destination = _destination(options.out, name, in_parts=part is not None)
    with open_with(call, "unread") as workspace:
        request = ScoreRequest(
            model=name,
            which=which,
            selection=selection,
            to=destination(workspace),
            as_of=call.as_of,
            clock=call.clock,
            run_id=options.run_id,
            restart=options.restart,
            allow_pickle=options.allow_pickle,
            memory_bytes=call.memory_bytes(),
        )
        if part is not None:
            return _part_outcome(request, score_part(workspace, request, part, call.progress))
        scores = score_model(workspace, request, call.progress)
    return _outcome(request, scores)


def _part_outcome(request: ScoreRequest, done: PartResult) -> Outcome:
    """Say what has become of a part, and of the output."""
    said = {"part": done.part.number, "parts": done.part.of, "rows_of_part": done.rows, "missing": list(done.missing)}
    if done.scores is not None:
        written = _outcome(request, done.scores)
        return replace(written, result={**written.result, **said, "committer": done.committer})
    if done.missing:
        waiting = f"not done yet: {plural(len(done.missing), 'part')} {', '.join(map(str, done.missing))}"
    else:
        waiting = f"part {done.committer} writes the output" if done.committer else "the output is written"
    text = f"{done.part} of {request.to.shown}: {counted(done.rows, 'row')}; {waiting}"
    result = {"out": request.to.shown, "model": request.model, "version": done.version.version}
    return Outcome(text=text, result={**result, **said, "committer": done.committer})


def _outcome(request: ScoreRequest, scores: ScoreResult) -> Outcome:
    rows, scored, shown = scores.rows.frames.height, scores.rows, request.to.shown
    reach = "" if scored.least is None else f", {scores.manifest['output']} {scored.least:.4f} .. {scored.greatest:.4f}"
    text = f"{shown}: {counted(rows, 'row')} by {request.model} version {scores.version.version}{reach}"
    result = {"out": shown, "rows": rows, "model": request.model, "version": scores.version.version}
    result |= {"unknown": scores.manifest["unknown"], "manifest": scores.manifest}
    return Outcome(text="\n".join([text, *scores.unknown]), result=result)


def _selection(options: ScoreOptions) -> ScoringRows:
    from featurectl.operations.scoring.job import ScoringRows
    from featurectl.operations.training.spine import Cut

    cut = Cut(since=instant(options.since), until=instant(options.until))
    if options.all_keys and (options.spine is not None or cut != Cut()):
        raise UsageError("--all-keys scores every key, now: it takes no --spine, --since or --until")
    return ScoringRows(spine=options.spine, all_keys=options.all_keys, cut=cut)


def _destination(out: str, model: str, *, in_parts: bool) -> Callable[[Workspace], Destination]:
    """Return what gives the output in a workspace, whose environment says where topics are.

    Raises:
        UsageError: `out` means nothing; `in_parts`: it means a topic, where what is sent can be read at once.
    """
    if "topic" in out:
        from featurectl.streaming.scores_topic import named_topic

        if topic := named_topic(out, model):
            if in_parts:
                message = f"--part: a topic ({topic.topic}) has no commit: each row is read as soon as it is sent"
                raise UsageError(
                    message, hint="score into a file or a table in parts, or into the topic without --part"
                )
            return topic.within
    from featurectl.operations.scoring.destination import open_destination

    found = open_destination(out, model)
    return lambda _: found
