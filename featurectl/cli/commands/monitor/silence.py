"""`featurectl monitor silence`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.times import microseconds_of
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceOptions:
    """Which alerts are silenced, for how long and why; or which silence is ended, or that all are listed."""

    alert: Annotated[str | None, typer.Argument(help="An alert's name, or a pattern: 'stale_*'.")] = None
    subject: Annotated[
        str, typer.Option(help="Only what it says of a subject, like 'view:delays@*' or 'model:late:*'.")
    ] = "*"
    for_: Annotated[str | None, typer.Option("--for", help="For how long.", metavar="DURATION")] = None
    reason: Annotated[str, typer.Option(help="Why, for those who wonder.")] = ""
    list_: Annotated[bool, typer.Option("--list", help="List the silences that are not over.")] = False
    end: Annotated[str | None, typer.Option(help="End a silence now.", metavar="ID")] = None


@verb(as_of=True)
def silence(call: Call, options: SilenceOptions) -> Outcome:
    """Tell nobody of some alerts for a while.

    What begins meanwhile, and is still so when the silence is over, is sent then.
    """
    alert = options.alert
    if sum([alert is not None, options.list_, options.end is not None]) != 1:
        raise UsageError("which alert?", hint="featurectl monitor silence ALERT --for 2h, or --list, or --end ID")
    if alert is None and (options.for_ is not None or options.reason or options.subject != "*"):
        raise UsageError("--for, --subject and --reason are of a new silence", hint="name an alert")
    if options.list_:
        return _list(call)
    if options.end is not None:
        return _end(call, options.end)
    return _begin(call, alert or "", options)


def _begin(call: Call, alert: str, options: SilenceOptions) -> Outcome:
    from featurectl.monitor.alerts.silences import SilenceRequest, begin_silence
    from featurectl.render.alerts import render_silence, silence_json

    if options.for_ is None:
        raise UsageError(f"silence {alert}: for how long?", hint="--for 2h")
    for_us = microseconds_of("--for", options.for_)
    request = SilenceRequest(alert=alert, subject=options.subject, for_us=for_us, reason=options.reason)
    with open_applied(call) as workspace:
        written = begin_silence(workspace, request)
    return Outcome(text=render_silence(written), result={"silence": silence_json(written)})


def _list(call: Call) -> Outcome:
    from featurectl.monitor.alerts.silences import list_silences
    from featurectl.render.alerts import render_silences, silence_json

    with open_applied(call) as workspace:
        silences = list_silences(workspace)
    return Outcome(text=render_silences(silences), result={"silences": [silence_json(item) for item in silences]})


def _end(call: Call, silence_id: str) -> Outcome:
    from featurectl.monitor.alerts.silences import end_silence
    from featurectl.render.alerts import silence_json

    with open_applied(call) as workspace:
        ended = end_silence(workspace, silence_id)
    return Outcome(text=f"Silence {ended.id} of {ended.alert} is over.", result={"silence": silence_json(ended)})
