"""`featurectl monitor check`, `run` and `silence`: alerts."""

from __future__ import annotations

import traceback
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.future import check_not_future, hold_to_clocks
from featurectl.cli.verb import verb
from featurectl.core.errors import CheckFailedError, FeaturectlError, UsageError
from featurectl.core.units import format_iso, parse_duration

if TYPE_CHECKING:
    from featurectl.monitor.alerts.evaluate import AlertEvaluation
    from featurectl.monitor.alerts.evaluation_run import EvaluationRun
    from featurectl.workspace.workspace import Workspace

_DRY_RUN: Final = "featurectl monitor check --dry-run looks as of any instant, and tells nobody"
_AGAIN: Final = "once that is mended: featurectl monitor check --again"


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""
    _add_check(group)
    _add_run(group)
    _add_silence(group)


def _add_check(group: typer.Typer) -> None:
    @verb(group, "check", as_of=True)
    def check(
        call: Call,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Look alone: write nothing, tell nobody.")] = False,
        again: Annotated[
            bool,
            typer.Option(
                "--again", help="Send once more what was refused or given up, of what still fires, or that it is over."
            ),
        ] = False,
    ) -> Outcome:
        """Look at the alerts once, and tell who is to be told.

        Alerts and notifiers are those that are applied. Exits 1 when an alert of severity warning or critical fires
        and is not silenced, when something could not be observed, when a message was refused, or where nothing is
        applied. A state that has changed since `--as-of` stays as it is.
        """
        from featurectl.cli.render.alerts import render_round, round_json
        from featurectl.monitor.alerts.evaluation_run import look_once

        if again and dry_run:
            raise UsageError("--again sends, and --dry-run sends nothing", hint="leave one of them out")
        with _opened(call) as workspace:
            if not dry_run:
                hold_to_clocks(call, workspace, registry=True, online=True, hint=_DRY_RUN)
            call.progress.start("look at the alerts")
            found = look_once(workspace, dry=dry_run, again=again)
            call.progress.done("")
            now = workspace.now
        _show_faults(call, found)
        text = render_round(found, dry=dry_run)
        failures, firing = _failures(found), any(_is_alarming(item) for item in found.looked)
        result = {"now": format_iso(now), "dry_run": dry_run, **round_json(found)}
        return Outcome(text=text, result=result, exit_code=1 if firing else 0, failures=failures)


def _is_alarming(looked: AlertEvaluation) -> bool:
    return looked.after.status == "firing" and looked.silence is None and looked.after.severity != "info"


def _failures(found: EvaluationRun) -> tuple[Failure, ...]:
    """Return what could not be observed, and what could not be told."""
    from featurectl.monitor.alerts.evaluation_run import failure_of

    failures = [
        Failure(part=f"{item.after.alert} ({item.after.subject})", error=error)
        for item in found.looked
        if (error := failure_of(item)) is not None
    ]
    failures += [
        Failure(part=f"notifier {sent.delivery.notifier}", error=sent.unset)
        for sent in found.sent
        if sent.unset is not None
    ]
    failures += [
        Failure(
            part=f"{d.alert} ({d.subject})",
            error=CheckFailedError(f"notifier {d.notifier} refused: {d.error}", hint=_AGAIN),
        )
        for d in found.unsent
        if d.state == "failed"
    ]
    return tuple(failures)


def _show_faults(call: Call, found: EvaluationRun) -> None:
    """Show with `--debug` where measuring has failed by a fault of ours: messages and the registry name its type."""
    if not call.debug:
        return
    for fault in (item.observation.fault for item in found.looked):
        if fault is not None:
            traceback.print_exception(fault)


def _add_run(group: typer.Typer) -> None:
    @verb(group, "run", as_of=True)
    def run(
        call: Call,
        every: Annotated[str, typer.Option(help="How long to wait between two looks.", metavar="DURATION")] = "30s",
    ) -> Outcome:
        """Look at the alerts again and again, until SIGTERM or Ctrl-C.

        Any number of them, and of `monitor check`, may run at once: the registry lets each message be sent by one. What
        could not be looked at or sent is told on stderr, and tried again.
        """
        import signal
        import threading

        from featurectl.cli.render.alerts import round_lines
        from featurectl.monitor.alerts.watch import Watch
        from featurectl.workspace.workspace import open_workspace

        every_us = _duration("--every", every)
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())

        def tell(found: EvaluationRun) -> None:
            for line in round_lines(found):
                call.progress.done(line)
            _show_faults(call, found)

        def fail(error: FeaturectlError) -> None:
            call.progress.done(f"error: {error.message}")

        call.progress.done(f"looking every {every}")
        with _opened(call) as workspace:  # of files with errors it is told once
            check_not_future(workspace, _DRY_RUN)
        again = partial(open_workspace, call.root(), call.env, call.instant(), "applied")
        check_clock = partial(hold_to_clocks, call, registry=True, online=True, hint=_DRY_RUN)
        watch = Watch(
            open_workspace=again, check_clock=check_clock, every_s=every_us / 1e6, tell=tell, fail=fail, stop=stop
        )
        watch.run()
        return Outcome()


def _add_silence(group: typer.Typer) -> None:
    @verb(group, "silence", as_of=True)
    def silence(
        call: Call,
        alert: Annotated[str | None, typer.Argument(help="An alert's name, or a pattern: 'stale_*'.")] = None,
        subject: Annotated[
            str, typer.Option(help="Only what it says of a subject, like 'view:delays@*' or 'model:late:*'.")
        ] = "*",
        for_: Annotated[str | None, typer.Option("--for", help="For how long.", metavar="DURATION")] = None,
        reason: Annotated[str, typer.Option(help="Why, for those who wonder.")] = "",
        list_: Annotated[bool, typer.Option("--list", help="List the silences that are not over.")] = False,
        end: Annotated[str | None, typer.Option(help="End a silence now.", metavar="ID")] = None,
    ) -> Outcome:
        """Tell nobody of some alerts for a while.

        What begins meanwhile, and is still so when the silence is over, is told then.
        """
        asked = [alert is not None, list_, end is not None]
        if sum(asked) != 1:
            raise UsageError("which alert?", hint="featurectl monitor silence ALERT --for 2h, or --list, or --end ID")
        if alert is None and (for_ is not None or reason or subject != "*"):
            raise UsageError("--for, --subject and --reason are of a new silence", hint="name an alert")
        if list_:
            return _listed(call)
        if end is not None:
            return _ended(call, end)
        if for_ is None:
            raise UsageError(f"silence {alert}: for how long?", hint="--for 2h")
        return _silenced(call, alert or "", subject, _duration("--for", for_), reason)


def _silenced(call: Call, alert: str, subject: str, for_us: int, reason: str) -> Outcome:
    from featurectl.cli.render.alerts import render_silence, silence_json
    from featurectl.monitor.alerts.silences import silence
    from featurectl.registry.alert_state import Silence

    with _opened(call) as workspace:
        now = workspace.now
        try:
            until = now + timedelta(microseconds=for_us)
        except OverflowError:
            raise UsageError("--for ends after the last year that there is", hint="--for 2h") from None
        check_not_future(workspace, "a silence begins now; --for says how long it is")
        asked = Silence(id="", alert=alert, subject=subject, until=until, who="", created_at=now, reason=reason)
        written = silence(workspace, asked)
    return Outcome(text=render_silence(written), result={"silence": silence_json(written)})


def _listed(call: Call) -> Outcome:
    from featurectl.cli.render.alerts import render_silences, silence_json
    from featurectl.monitor.alerts.evaluation_run import ledger_of

    with _opened(call) as workspace:
        workspace.applied_state()
        silences = [item for item in ledger_of(workspace).load_silences() if item.until > workspace.now]
    return Outcome(text=render_silences(silences), result={"silences": [silence_json(item) for item in silences]})


def _ended(call: Call, silence_id: str) -> Outcome:
    from featurectl.cli.render.alerts import silence_json
    from featurectl.monitor.alerts.silences import end_silence

    with _opened(call) as workspace:
        ended = end_silence(workspace, silence_id)
    return Outcome(text=f"Silence {ended.id} of {ended.alert} is over.", result={"silence": silence_json(ended)})


def _duration(option: str, text: str) -> int:
    length_us = parse_duration(text)
    if length_us is None:
        raise UsageError(f"{option} {text!r} is no duration", hint="durations are like 30s 15m 6h 7d 2w")
    return length_us


def _opened(call: Call) -> Workspace:
    return open_applied(call, call.instant())
