"""`featurectl monitor export`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import MOST_PORT
from featurectl.cli.shared.times import seconds_of
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import FeaturectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

Textfile = Annotated[Path | None, typer.Option(help="Look once and write the metrics there, whole.", metavar="FILE")]
Host = Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 9464 by default.", min=1, max=MOST_PORT)]
Every = Annotated[str | None, typer.Option(help="How long between two looks; 60s by default.")]


@verb(as_of=True)
def export(call: Call, textfile: Textfile = None, host: Host = None, port: Port = None, every: Every = None) -> Outcome:
    """Give Prometheus what status shows.

    Answers GET /metrics until SIGTERM or Ctrl-C; the stores are looked at every so many seconds, not with each
    scrape. When the registry can't be reached, or nothing is applied, featurectl_up is 0 and the only metric.
    --textfile is for the textfile collector of node_exporter, and cron.
    """
    if textfile is not None:
        if (host, port, every) != (None, None, None):
            raise UsageError("--host, --port and --every are of an endpoint", hint="leave --textfile out")
        return _write(call, textfile)
    address = ("127.0.0.1" if host is None else host, 9464 if port is None else port)
    _serve(call, address, seconds_of("--every", "60s" if every is None else every))
    return Outcome(result={"served": f"http://{address[0]}:{address[1]}/metrics"})


def _write(call: Call, path: Path) -> Outcome:
    of_failure = _of_failure(call)
    from featurectl.monitor.prometheus.write_files import write_textfile

    write_textfile(path, partial(_look, call), of_failure)
    return Outcome(text=f"Wrote {path}", result={"textfile": str(path)})


def _of_failure(call: Call) -> Callable[[], bytes]:
    """Return the metrics of a look that fails; wrong usage ends the command before it has written."""
    try:
        from featurectl.monitor.prometheus.metrics import metrics_of_failure
    except ModuleNotFoundError as error:
        hint = "pip install 'featurectl[serve]'"
        raise UsageError(f"monitor export needs the package {error.name}", hint=hint) from error
    from featurectl.workspace.open import environment_of, load_checked

    repo = load_checked(call.root(), "project file")
    return partial(metrics_of_failure, repo.project, environment_of(repo, call.env).name)


def _look(call: Call) -> bytes:
    from featurectl.monitor.prometheus.snapshot import read_metrics

    with open_applied(call) as workspace:
        return read_metrics(workspace, call.progress)


def _serve(call: Call, address: tuple[str, int], every_s: float) -> None:
    of_failure = _of_failure(call)
    import signal

    from featurectl.monitor.prometheus.endpoint import Endpoint

    def look(*, first: bool = False) -> bytes:
        try:
            return _look(call)
        except FeaturectlError as error:
            if first and isinstance(error, UsageError):
                raise
            call.progress.done(f"warning: {error.message}")
            return of_failure()

    host, port = address
    try:
        endpoint = Endpoint(look(first=True), look, address)
    except OSError as error:
        raise UsageError(f"{host}:{port} can't be listened on: {error.strerror}") from error
    signal.signal(signal.SIGTERM, lambda *_: endpoint.close())
    call.progress.done(f"http://{host}:{port}/metrics")
    endpoint.follow(every_s)
