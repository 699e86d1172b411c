"""`featurectl serve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import MOST_PORT
from featurectl.cli.shared.times import seconds_of
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.serving.settings import ServeSettings

_MOST_EVENTS: Final = 2_000  # which brokers take by one step


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where it listens, its bounds, its clocks, and what it writes."""

    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=MOST_PORT)] = 8000
    workers: Annotated[int, typer.Option(help="How many processes share the port.", min=1)] = 1
    timeout: Annotated[str, typer.Option(help="How long until every request is answered, at most.")] = "1s"
    store_timeout: Annotated[str, typer.Option(help="How much of it the online store has.")] = "0.25s"
    max_body: Annotated[int, typer.Option(help="The largest body of a request, in bytes.", min=1)] = 1 << 20
    max_rows: Annotated[int, typer.Option(help="The most rows of a request.", min=1)] = 1_000
    max_values: Annotated[
        int, typer.Option(help="The most values of an answer: rows by the values of each.", min=1)
    ] = 250_000
    reload: Annotated[str, typer.Option(help="How long between two looks at the registry.")] = "2s"
    judge: Annotated[str, typer.Option(help="How long between two judgements of a running canary.")] = "10s"
    drain: Annotated[str, typer.Option(help="How long to go on after SIGTERM, at most: 5s; 0s ends at once.")] = "5s"
    keep_alive: Annotated[str, typer.Option(help="How long a connection may be idle.")] = "75s"
    max_connections: Annotated[int, typer.Option(help="The most connections of an address to a process.", min=1)] = (
        1_024
    )
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load models that run code when they are loaded.")
    ] = False
    access_log: Annotated[bool, typer.Option("--access-log", help="A line for every request.")] = False
    log_format: Annotated[str, typer.Option(help="How the lines of the log are written: text or json.")] = "text"
    events: Annotated[bool, typer.Option("--events", help="Take events of streams: POST /v1/events/SOURCE.")] = False
    event_timeout: Annotated[str, typer.Option(help="How long until a request with events is answered.")] = "5s"
    max_events: Annotated[
        int, typer.Option(help="The most events of a request, 2,000 at most.", min=1, max=_MOST_EVENTS)
    ] = 1_000
    max_event_requests: Annotated[
        int, typer.Option(help="The most requests with events that are under way in a process.", min=1)
    ] = 256


@verb(as_of=True)
def serve(call: Call, options: ServeOptions) -> Outcome:
    """Serve features and predictions over HTTP.

    The port is open at once; champions and challengers are loaded and proven before the first answer (until then
    it is 503, and that of GET /ready, too). What is applied, pushed, trained or promoted later is served without
    a restart. What happens is reported on stderr, a line each.

    API keys come from FEATURECTL_API_KEYS, separated by commas; without it nobody is asked for one.
    With --events it takes events of streams, too; keys for that come from FEATURECTL_EVENT_KEYS.
    GET /openapi.json describes the routes.
    """
    _check(options)
    timeout_s = seconds_of("--timeout", options.timeout)
    try:
        from featurectl.serving.process.start import run_server
    except ModuleNotFoundError as error:
        hint = "pip install 'featurectl[serve]'"
        raise UsageError(f"serve needs the package {error.name}", hint=hint) from error
    settings = _settings(call, options, timeout_s)
    call.instant()  # one that is none is an error before anything is opened
    run_server(settings)
    return Outcome(text="", result={"served": f"http://{options.host}:{options.port}"})


def _settings(call: Call, options: ServeOptions, timeout_s: float) -> ServeSettings:
    from featurectl.serving.settings import ServeSettings

    return ServeSettings(
        root=str(call.root()),
        env=call.env,
        as_of=call.as_of or "",
        host=options.host,
        port=options.port,
        workers=options.workers,
        timeout_s=timeout_s,
        store_timeout_s=min(seconds_of("--store-timeout", options.store_timeout), timeout_s),
        max_body_bytes=options.max_body,
        max_rows=options.max_rows,
        max_values=options.max_values,
        reload_s=seconds_of("--reload", options.reload),
        judge_s=seconds_of("--judge", options.judge),
        allow_pickle=options.allow_pickle,
        access_log=options.access_log,
        drain_s=seconds_of("--drain", options.drain, least_s=0),
        keep_alive_s=seconds_of("--keep-alive", options.keep_alive, least_s=0) or 1.0,
        max_connections=options.max_connections,
        log_format="json" if options.log_format == "json" else "text",
        events=options.events,
        event_timeout_s=seconds_of("--event-timeout", options.event_timeout),
        max_events=options.max_events,
        max_event_requests=options.max_event_requests,
    )


def _check(options: ServeOptions) -> None:
    """Check that words are known.

    Raises:
        UsageError: one is not.
    """
    if options.log_format not in ("text", "json"):
        raise UsageError(f"--log-format {options.log_format} is no format", hint="text or json")
