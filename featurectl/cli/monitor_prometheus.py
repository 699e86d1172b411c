"""`featurectl monitor export` and `monitor rules`: for Prometheus and Grafana."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.durations import seconds_of
from featurectl.cli.verb import verb
from featurectl.cli.whole_file import write_whole
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.monitor.prometheus.rules import AlertingRule, Rules

_BACK: Final = timedelta(days=30)
_PORTS: Final = 1 << 16


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""
    _add_export(group)
    _add_rules(group)


def _add_export(group: typer.Typer) -> None:
    @verb(group, "export", as_of=True)
    def export(
        call: Call,
        textfile: Annotated[
            Path | None, typer.Option(help="Look once and write the metrics there, whole.", metavar="FILE")
        ] = None,
        host: Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")] = None,
        port: Annotated[int | None, typer.Option(help="The port to listen on; 9464 by default.")] = None,
        every: Annotated[str | None, typer.Option(help="How long between two looks; 60s by default.")] = None,
    ) -> Outcome:
        """Give Prometheus what status shows.

        Answers GET /metrics until SIGTERM or Ctrl-C; the stores are looked at every so many seconds, not with each
        scrape. When the registry can't be reached, or nothing is applied, featurectl_up is 0 and the only metric.
        --textfile is for the textfile collector of node_exporter, and cron.
        """
        if textfile is not None:
            if (host, port, every) != (None, None, None):
                raise UsageError("--host, --port and --every are of an endpoint", hint="leave --textfile out")
            return _write_textfile(call, textfile)
        address = ("127.0.0.1" if host is None else host, 9464 if port is None else port)
        _serve(call, address, _checked(address[1], "60s" if every is None else every))
        return Outcome(result={"served": f"http://{address[0]}:{address[1]}/metrics"})


def _checked(port: int, every: str) -> float:
    if not 0 < port < _PORTS:
        raise UsageError(f"--port {port} is no port", hint="1 to 65535")
    return seconds_of("--every", every)


def _write_textfile(call: Call, path: Path) -> Outcome:
    """Write what was seen; of a look that fails that it did, so that nobody takes the numbers of before for true."""
    from featurectl.monitor.prometheus.metrics import metrics_of_failure

    where = _where(call)
    try:
        text = _look(call)
    except FeaturectlError:
        _write_whole(path, metrics_of_failure(*where).decode(), "--textfile")
        raise
    _write_whole(path, text.decode(), "--textfile")
    return Outcome(text=f"Wrote {path}", result={"textfile": str(path)})


def _where(call: Call) -> tuple[str, str]:
    """Return the names of the project and the environment; wrong usage ends the command before it has written."""
    _need_client()
    from featurectl.workspace.workspace import environment_of, load_checked

    repo = load_checked(call.root(), "applied")
    return repo.project, environment_of(repo, call.env).name


def _serve(call: Call, address: tuple[str, int], every_s: float) -> None:
    where = _where(call)
    import signal

    from featurectl.monitor.prometheus.endpoint import Endpoint
    from featurectl.monitor.prometheus.metrics import metrics_of_failure

    def look(*, first: bool = False) -> bytes:
        try:
            return _look(call)
        except FeaturectlError as error:
            if first and isinstance(error, UsageError):
                raise
            call.progress.done(f"warning: {error.message}")
            return metrics_of_failure(*where)

    host, port = address
    try:
        endpoint = Endpoint(look(first=True), look, address)
    except OSError as error:
        raise UsageError(f"{host}:{port} can't be listened on: {error.strerror}") from error
    signal.signal(signal.SIGTERM, lambda *_: endpoint.close())
    call.progress.done(f"http://{host}:{port}/metrics")
    endpoint.follow(every_s)


def _look(call: Call) -> bytes:
    """Return the metrics of the environment now; records of runs that can't be read are told on stderr."""
    from featurectl.monitor.alerts.figures import failed_checks
    from featurectl.monitor.health import check_results, look, runs_seen, served_view
    from featurectl.monitor.prometheus.metrics import MetricsSnapshot, metrics_text
    from featurectl.registry.applied import served_views

    with open_applied(call, call.instant()) as workspace:
        state = workspace.applied_state()
        seen, unread = runs_seen(workspace, _BACK)
        runs = [run for run in seen if run.state == "ended"]
        looked = MetricsSnapshot(
            project=workspace.project,
            environment=workspace.environment.name,
            now=workspace.now,
            at=datetime.now(UTC),
            rows=look(workspace, state, entities=True),
            runs=runs,
            checks=check_results(workspace, state, runs),
            failing=failed_checks([served_view(workspace, item) for item in served_views(state)], runs, workspace.now),
            alerts=workspace.registry().alerts(workspace.project, workspace.environment.name).load_states(),
        )
    if unread:
        call.progress.done(f"warning: no runs and no checks: {unread}")
    return metrics_text(looked)


def _need_client() -> None:
    try:
        from featurectl.monitor.prometheus import metrics  # noqa: F401 (whether it can be)
    except ModuleNotFoundError as error:
        hint = "pip install 'featurectl[serve]'"
        raise UsageError(f"monitor export needs the package {error.name}", hint=hint) from error


def _add_rules(group: typer.Typer) -> None:
    @verb(group, "rules")
    def rules(
        call: Call,
        out: Annotated[Path | None, typer.Option(help="Where to write the rules.", metavar="FILE")] = None,
        grafana: Annotated[
            Path | None, typer.Option(help="Where to write a Grafana dashboard, too.", metavar="FILE")
        ] = None,
    ) -> Outcome:
        """Render alert rules for Prometheus, from the files.

        A rule for each SLA and for each declared alert that a metric can tell; a comment says of each other one why
        not. Ages are those of `monitor export`, latencies and errors those of `serve`.
        """
        from featurectl.monitor.prometheus.grafana import render_dashboard
        from featurectl.monitor.prometheus.rules import rules_of
        from featurectl.monitor.prometheus.rules_yaml import render_rules
        from featurectl.workspace.workspace import environment_of, load_checked

        _check_not_own(call.root(), out, "--out", "featurectl.rules")
        _check_not_own(call.root(), grafana, "--grafana", "dashboard.json")
        repo = load_checked(call.root(), "unread")
        environment = environment_of(repo, call.env).name
        made = rules_of(repo, environment)
        text = render_rules(made)
        if out is not None:
            _write_whole(out, text, "--out")
        if grafana is not None:
            _write_whole(grafana, render_dashboard(repo.project, environment), "--grafana")
        return Outcome(text=text if out is None else _wrote(made, out), result=_rules_json(made, out, grafana))


def _wrote(made: Rules, out: Path) -> str:
    left = len(made.not_rendered)
    others = f"; {counted(left, 'alert')} that no metric tells: see its comments" if left else ""
    return f"Wrote {counted(len(made.slas) + len(made.alerts), 'rule')} to {out}{others}"


def _rules_json(made: Rules, out: Path | None, grafana: Path | None) -> dict[str, object]:
    return {
        "out": None if out is None else str(out),
        "grafana": None if grafana is None else str(grafana),
        "rules": [_rule_json(rule) for rule in (*made.slas, *made.alerts)],
        "not_rendered": [{"alert": item.alert, "why": item.why} for item in made.not_rendered],
    }


def _rule_json(rule: AlertingRule) -> dict[str, object]:
    return {
        "alert": rule.alert,
        "expr": rule.expr,
        "for_seconds": rule.for_us / 1_000_000,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }


def _check_not_own(root: Path, path: Path | None, option: str, instead: str) -> None:
    """Refuse to write what the next command would read as a file of the repository."""
    from featurectl.language.load import is_read

    if path is not None and is_read(root, path):
        raise UsageError(f"{option} {path} would be read as a file of the repository", hint=f"{option} {instead}")


def _write_whole(path: Path, text: str, option: str) -> None:
    """Write a file that is there whole or as it was before."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise UsageError(f"{option} {path} can't be written: {error.strerror}") from error
