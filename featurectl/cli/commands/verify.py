"""`featurectl verify`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import Since, Until
from featurectl.cli.shared.times import instant
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError
from featurectl.core.units import moved_by

if TYPE_CHECKING:
    from featurectl.monitor.verify.run_verify import Tolerance

_ENTITIES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What is compared with the tables: rows of the prediction log, or entities of the online store."""

    names: Annotated[
        list[str] | None, typer.Argument(help="Models; with --store views. All of them by default.", metavar="NAME")
    ] = None
    store: Annotated[bool, typer.Option("--store", help="Compare the online store with the tables.")] = False
    since: Since = None
    until: Until = None
    sample: Annotated[
        str | None,
        typer.Option(help="The share of requests (0.1, 10%); with --store, about how many entities of a view."),
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="With --store: every entity.")] = False
    tolerance: Annotated[
        float | None, typer.Option(help="How far apart, relatively, sums and means may be; 1e-12 by default.")
    ] = None


@verb(as_of=True, memory=True)
def verify(call: Call, options: VerifyOptions) -> Outcome:
    """Check that what was served equals the offline tables.

    Replays the prediction log against the tables at the same instants, and tells for each feature the share of values
    that differ, and why they do; what agrees is counted, and listed with -v. With --store it compares what the online
    store has now with the tables as of the last push: 10,000 entities of each view, or --all. Exits 1 when anything
    differs, when there are rows in the log and none of them can be replayed, and with --store when no view was ever
    pushed.
    """
    share = _share(options.sample, store=options.store)
    if options.everything and (not options.store or options.sample is not None):
        raise UsageError("--all goes with --store, instead of --sample")
    if options.store and (options.since or options.until or call.as_of):
        message = "--since, --until and --as-of choose rows of the prediction log"
        raise UsageError(message, hint="--store compares with the tables as of the last push")
    if options.until and call.as_of:
        raise UsageError("--until, and --as-of", hint="one of them says where the rows end")
    return _verify_store(call, options, share) if options.store else _verify_log(call, options, share)


def _verify_log(call: Call, options: VerifyOptions, share: float) -> Outcome:
    from featurectl.monitor.verify.run_verify import VerifyLogRequest, is_wrong, verify_logs
    from featurectl.render.verify import render_reports, report_json

    since, until = _window(call, options)
    request = VerifyLogRequest(
        models=tuple(options.names or ()),
        since=since,
        until=until,
        sample=share,
        tolerance=_tolerance(call, options.tolerance),
    )
    with open_applied(call) as workspace:
        reports = verify_logs(workspace, request, call.progress)
    result = {"models": [{"model": name, **report_json(report)} for name, report in reports.items()]}
    return Outcome(
        text=render_reports(reports, whole=call.verbose), result=result, exit_code=1 if is_wrong(reports) else 0
    )


def _verify_store(call: Call, options: VerifyOptions, share: float) -> Outcome:
    from featurectl.monitor.verify.run_verify import VerifyStoreRequest, verify_views
    from featurectl.render.verify import render_views, view_json

    entities = None if options.everything else int(share) if options.sample else _ENTITIES
    request = VerifyStoreRequest(
        views=tuple(options.names or ()), entities=entities, tolerance=_tolerance(call, options.tolerance)
    )
    with open_applied(call) as workspace:
        found = verify_views(workspace, request, call.progress)
    none = "" if found.failures else "No applied view is online."
    return Outcome(
        text=render_views(found.skews, whole=call.verbose) if found.skews else none,
        result={"views": [view_json(skew) for skew in found.skews]},
        exit_code=1 if found.is_wrong else 0,
        failures=found.failures,
    )


def _tolerance(call: Call, relative: float | None) -> Tolerance:
    from featurectl.monitor.verify.run_verify import Tolerance

    if relative is not None and not (math.isfinite(relative) and relative >= 0):
        raise UsageError(f"--tolerance {relative} is no relative distance", hint="like 1e-9; 0 wants equal bits")
    return Tolerance(relative=relative, memory_bytes=call.memory_bytes())


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


def _window(call: Call, options: VerifyOptions) -> tuple[datetime | None, datetime | None]:
    """Return from when on and before when rows of the log are replayed."""
    end, now = instant(options.until), call.instant()
    if now is not None:
        end = moved_by(now, timedelta(microseconds=1))
    begin = instant(options.since)
    if begin is not None and end is not None and begin >= end:
        raise UsageError("--since is not before the end: no row can be between them")
    return begin, end
