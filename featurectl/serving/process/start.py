"""Run a server: the repository's stores opened, its routes served by one process or several."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Final

import uvicorn
import uvloop  # noqa: F401 (uvicorn imports it late: what is missing is reported before)
from uvicorn.config import STARTUP_FAILURE

from featurectl.core.errors import StoreError, UsageError
from featurectl.core.memory import keep_between_requests
from featurectl.core.units import counted, parse_instant
from featurectl.core.version import __version__
from featurectl.serving.app import ServerKeys, make_app
from featurectl.serving.background import ServerTasks
from featurectl.serving.context import ServerContext
from featurectl.serving.journal import Journal, log_config
from featurectl.serving.log.parquet import ParquetLog
from featurectl.serving.log.policy import log_policy
from featurectl.serving.metrics import Metrics, shared_metrics
from featurectl.serving.middleware import RequestMiddleware
from featurectl.serving.process.protocol import BoundedHttpProtocol
from featurectl.serving.process.server import DrainingServer
from featurectl.serving.process.source import WorkspaceSource
from featurectl.serving.process.workers import Workers
from featurectl.serving.settings import (
    EVENT_KEYS_VARIABLE,
    KEYS_VARIABLE,
    SETTINGS_VARIABLE,
    ServeSettings,
    api_keys,
    dump_settings,
    load_settings,
)
from featurectl.serving.startup import AT_ONCE, WHEN_LOADED, Beginning, beginning_of_process
from featurectl.serving.timed_store_reads import Features
from featurectl.workspace.open import open_workspace
from featurectl.workspace.redaction import hide_secrets
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.serving.events import EventRequests  # which loads what streams need

IN_FLIGHT_S: Final = 10  # for requests in flight, once nobody is let in any more
_APP: Final = "featurectl.serving.process.start:create_app"


def create_app() -> RequestMiddleware:
    """Return the application of a process that `run_server` has started."""
    settings = load_settings(os.environ[SETTINGS_VARIABLE])
    hide_secrets(settings.folder)
    return open_app(settings, beginning_of_process())


def open_app(settings: ServeSettings, beginning: Beginning = WHEN_LOADED) -> RequestMiddleware:
    """Return the application of a repository; its stores are opened when they are first read.

    Raises:
        UsageError: there is no such repository or environment.
    """
    keep_between_requests()
    workspace, source = _opened(settings)
    store = workspace.async_reader(settings.store_timeout_s)
    now = parse_instant(settings.as_of) if settings.as_of else workspace.environment.now
    metrics, journal = Metrics(), Journal(settings.log_format)
    policy = log_policy(workspace, settings.judge_s)
    context = ServerContext(
        settings=settings,
        environment=source.environment,
        metrics=metrics,
        journal=journal,
        features=Features(store, metrics, now),
        predictions=ParquetLog(policy, metrics, journal) if policy else None,
        events=_open_events(workspace, settings, metrics, journal) if settings.events else None,
    )
    return make_app(context, ServerTasks(context, source), _keys(settings), beginning)


def check_start(settings: ServeSettings) -> None:
    """See that a process can be started: one that can't would refuse for ever, or be started again and again.

    Raises:
        As `open_app`.
        StoreError: the registry can't be read.
    """
    workspace, source = _opened(settings)
    with workspace:
        workspace.async_reader(settings.store_timeout_s)
        state = source.state()
        if settings.events:
            _open_events(workspace, settings, None, Journal(settings.log_format)).close()
    _keys(settings)
    message = f"featurectl {__version__} on http://{settings.host}:{settings.port}, "
    message += f"{counted(settings.workers, 'worker')}, environment {source.environment} of project {state.project}"
    Journal(settings.log_format).report(
        "starting",
        message,
        address=f"http://{settings.host}:{settings.port}",
        workers=settings.workers,
        project=state.project,
        environment=source.environment,
        version=__version__,
    )


def _opened(settings: ServeSettings) -> tuple[Workspace, WorkspaceSource]:
    as_of = parse_instant(settings.as_of) if settings.as_of else None
    workspace = open_workspace(settings.folder, settings.env, as_of, "project file")
    return workspace, WorkspaceSource(workspace, allow_pickle=settings.allow_pickle)


def _open_events(
    workspace: Workspace, settings: ServeSettings, metrics: Metrics | None, journal: Journal
) -> EventRequests:
    """Return what takes events; `metrics` None: nothing is counted.

    Raises:
        UsageError: the clock is fixed.
    """
    from featurectl.serving.events import EventRequests

    if settings.as_of:
        raise UsageError("events are stamped by the clock", hint="serve --events without --as-of")
    return EventRequests(workspace, settings, metrics, journal.fault)


def _keys(settings: ServeSettings) -> ServerKeys:
    """Return the keys of the environment; none where a variable is not set.

    Raises:
        UsageError: one is set and holds none: nobody meant that everybody is let in. Or one key may do all.
    """
    api = _keys_of(KEYS_VARIABLE)
    if not settings.events:
        return ServerKeys(api=api)
    events = _keys_of(EVENT_KEYS_VARIABLE)
    if api and not events:
        message = f"{KEYS_VARIABLE} is set and {EVENT_KEYS_VARIABLE} is not: anybody could send events"
        raise UsageError(message, hint=f"set {EVENT_KEYS_VARIABLE} to KEY,KEY")
    if set(api) & set(events):
        message = f"a key is in {KEYS_VARIABLE} and in {EVENT_KEYS_VARIABLE}"
        raise UsageError(message, hint="who reads features and who sends events have different keys")
    return ServerKeys(api=api, events=events)


def _keys_of(variable: str) -> tuple[bytes, ...]:
    text = os.environ.get(variable)
    if text is None:
        return ()
    if keys := api_keys(text):
        return keys
    raise UsageError(f"{variable} is set and holds no key", hint="unset it, or set it to KEY,KEY")


def run_server(settings: ServeSettings) -> None:
    """Serve until the process is to stop; what is under way is answered first.

    Raises:
        UsageError: the address can't be listened on, or the repository is none.
        StoreError: the registry can't be read.
    """
    os.environ[SETTINGS_VARIABLE] = dump_settings(settings)
    several = settings.workers > 1
    check_start(settings)
    app: RequestMiddleware | str = _APP if several else open_app(settings, AT_ONCE)
    config = uvicorn.Config(
        app,
        factory=several,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        log_level=None,
        log_config=log_config(settings.log_format),
        access_log=settings.access_log,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=max(round(settings.keep_alive_s), 1),
        timeout_graceful_shutdown=IN_FLIGHT_S,
    )
    signal.signal(signal.SIGTERM, lambda *_: None)  # the server hands it back when all is answered: that is its end
    try:
        if several:
            _run_several(config, settings)
        else:
            _end_by_hangup()
            DrainingServer(config, settings).run()
    except SystemExit as error:
        raise UsageError(f"{settings.host}:{settings.port} can't be listened on", hint="--port, --host") from error


def _end_by_hangup() -> None:
    """Let SIGHUP, of a terminal that goes, do what SIGTERM does: nothing is lost; of several it starts all anew."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as `nohup` has it
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _run_several(config: uvicorn.Config, settings: ServeSettings) -> None:
    """Run the processes until they are to stop.

    Raises:
        KeyboardInterrupt: by Ctrl-C, as one process raises it.
        StoreError: one could not start.
    """
    with shared_metrics() as folder, closing(config.bind_socket()) as port:
        processes = Workers(config, port, folder, Journal(settings.log_format))
        processes.run()
    if processes.is_interrupted:
        raise KeyboardInterrupt
    if processes.ended_by is not None:
        signal.signal(processes.ended_by, signal.SIG_DFL)
        signal.raise_signal(processes.ended_by)
    if any(process.exitcode == STARTUP_FAILURE for process in processes.processes):
        raise StoreError("a process of the server could not be started", hint="what it has written says why")
