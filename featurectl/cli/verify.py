"""`featurectl verify`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.training_set import SinceOption, UntilOption, instant
from featurectl.cli.verb import verb
from featurectl.core.errors import FeaturectlError, StoreError, UsageError
from featurectl.core.units import moved_by

if TYPE_CHECKING:
    from featurectl.monitor.verify.log_rows import Chosen
    from featurectl.monitor.verify.replay_log import How
    from featurectl.monitor.verify.report import VerifyReport, ViewSkew
    from featurectl.workspace.workspace import Workspace

_ENTITIES = 10_000


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "verify", as_of=True, memory=True)
    def verify(
        call: Call,
        names: Annotated[
            list[str] | None, typer.Argument(help="Models; with --store views. All of them by default.", metavar="NAME")
        ] = None,
        store: Annotated[bool, typer.Option("--store", help="Compare the online store with the tables.")] = False,
        since: SinceOption = None,
        until: UntilOption = None,
        sample: Annotated[
            str | None,
            typer.Option(help="The share of requests (0.1, 10%); with --store, about how many entities of a view."),
        ] = None,
        everything: Annotated[bool, typer.Option("--all", help="With --store: every entity.")] = False,
        tolerance: Annotated[
            float | None, typer.Option(help="How far apart, relatively, sums and means may be; 1e-12 by default.")
        ] = None,
    ) -> Outcome:
        """Check that what was served equals the offline tables.

        Replays the prediction log against the tables at the same instants, and tells for each feature the share of
        values that differ, and why they do. With --store it compares what the online store has now with the tables as
        of the last push: 10,000 entities of each view, or --all. Exits 1 when anything differs, when there are rows in
        the log and none of them can be replayed, and with --store when no view was ever pushed.
        """
        share = _share(sample, store=store)
        if everything and (not store or sample is not None):
            raise UsageError("--all goes with --store, instead of --sample")
        if store and (since or until or call.as_of):
            told = "--since, --until and --as-of choose rows of the prediction log"
            raise UsageError(told, hint="--store compares with the tables as of the last push")
        if until and call.as_of:
            raise UsageError("--until, and --as-of", hint="one of them says where the rows end")
        how = _how(call, tolerance)
        with open_applied(call, call.instant()) as workspace:
            if store:
                count = None if everything else int(share) if sample else _ENTITIES
                return _verify_stores(workspace, list(names or ()), count, how)
            cut = _cut(call, since, until, share)
            reports = _replays(workspace, _logged_models(workspace, names), cut, how)
        return _log_outcome(reports)


def _how(call: Call, tolerance: float | None) -> How:
    from featurectl.monitor.verify.equal import TOLERANCE
    from featurectl.monitor.verify.replay_log import How

    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise UsageError(f"--tolerance {tolerance} is no relative distance", hint="like 1e-9; 0 wants equal bits")
    return How(
        tolerance=TOLERANCE if tolerance is None else tolerance,
        memory_bytes=call.memory_bytes(),
        progress=call.progress,
    )


def _share(text: str | None, *, store: bool) -> float:
    """Return a number of entities, or a share of requests."""
    if text is None:
        return 1.0
    if store:
        if not (text.isascii() and text.isdigit() and int(text)):
            raise UsageError(f"--sample {text!r} is no number of entities", hint="--store --sample 1000, or --all")
        return float(int(text))
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UsageError(f"--sample {text!r} is no share of requests", hint="above 0 to 1, or in percent: 10%")
    return share


def _cut(call: Call, since: str | None, until: str | None, share: float) -> Chosen:
    from featurectl.monitor.verify.log_rows import Chosen

    end, now = instant(until), call.instant()
    if now is not None:
        end = moved_by(now, timedelta(microseconds=1))
    begin = instant(since)
    if begin is not None and end is not None and begin >= end:
        raise UsageError("--since is not before the end: no row can be between them")
    return Chosen(since=begin, until=end, sample=share)


def _logged_models(workspace: Workspace, names: list[str] | None) -> list[str]:
    """Return the models that have a log; those that were named must have one: without, nothing says that it is right.

    Raises:
        UsageError: one has none, there is none, or one is not applied.
    """
    from featurectl.monitor.prediction_log import open_log
    from featurectl.registry.applied import not_applied

    state, environment = workspace.applied_state(), workspace.environment
    for name in names or ():
        if state.current("model", name) is None:
            raise not_applied(state, "model", name)
    asked = names or sorted(o.name for o in state.objects if o.kind == "model" and o.current)
    found = [name for name in asked if open_log(workspace, name).versions()]
    if found and not names:
        return found
    without = [name for name in asked if name not in found]
    if without or not asked:
        of = f" of model {without[0]}" if names else ""
        sample = environment.prediction_sample
        off = sample is None or sample <= 0
        hint = "prediction_log: {sample: 0.01} in featurectl.yaml lets `serve` write one" if off else "featurectl serve"
        told = f"environment {environment.name} has no prediction log{of} yet"
        raise UsageError(told, hint=f"{hint}; --store compares the online store itself")
    return found


def _replays(workspace: Workspace, models: list[str], cut: Chosen, how: How) -> dict[str, VerifyReport]:
    from featurectl.monitor.verify.replay_log import verify_log

    return {
        model: verify_log(workspace, model, cut.since, cut.until, cut.sample, how=how)
        for model in dict.fromkeys(models)
    }


def _log_outcome(reports: dict[str, VerifyReport]) -> Outcome:
    from featurectl.cli.render.verify import render_reports, report_json

    wrong = any(report.mismatched or (report.rows and not report.replayed) for report in reports.values())
    result = {"models": [{"model": name, **report_json(report)} for name, report in reports.items()]}
    return Outcome(text=render_reports(reports), result=result, exit_code=1 if wrong else 0)


def _verify_stores(workspace: Workspace, names: list[str], sample: int | None, how: How) -> Outcome:
    from featurectl.cli.push import fails_for_all
    from featurectl.cli.render.verify import render_views, view_json
    from featurectl.language.definitions.json_form import load_untyped_view
    from featurectl.monitor.verify.compare_store import verify_store
    from featurectl.operations.materialize.view import choose_views

    state = workspace.applied_state()
    chosen = [item for item in choose_views(state, names) if load_untyped_view(item.definition).online]
    if offline := [name for name in names if name not in {item.name for item in chosen}]:
        raise UsageError(f"view {offline[0]} is offline only", hint="its `online:` is false")
    skews: list[ViewSkew] = []
    failures: list[Failure] = []
    for item in chosen:
        try:
            skews.append(verify_store(workspace, state, item, sample, how))
        except FeaturectlError as error:
            failures.append(Failure(part=f"{item.name}@{item.version}", error=error))
            if isinstance(error, StoreError) and fails_for_all(error):
                break
    text = render_views(skews) if skews else "" if failures else "No applied view is online."
    wrong = any(skew.differences or skew.future for skew in skews) or (skews and not any(skew.pushed for skew in skews))
    return Outcome(
        text=text,
        result={"views": [view_json(skew) for skew in skews]},
        exit_code=1 if wrong else 0,
        failures=tuple(failures),
    )
