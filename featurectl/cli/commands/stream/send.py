"""`featurectl stream send`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError

_PIPE = Path("-")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """What is sent, and how fast."""

    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The stream's source.")]
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="NDJSON, CSV or Parquet, by its name; -: lines of JSON on stdin.")
    ] = _PIPE
    speed: Annotated[
        str, typer.Option(metavar="60x|max", help="So many times as fast as the events happened; max: at once.")
    ] = "max"
    rate: Annotated[float | None, typer.Option(metavar="N", help="At most so many events a second.")] = None


@verb()
def send(call: Call, options: SendOptions) -> Outcome:
    """Send events to a stream, in the order of their times.

    For tests, demonstrations and replays: services send to the topic themselves. A file has the columns of the
    source; a row without an event time is left out, and counted. Lines of JSON on stdin are sent as they come and as
    they are; the first that is no event of the source ends it.

    A topic that is not there is made in SQLite and Redis, with 4 partitions; in Kafka it is made by Kafka's own tools.
    Sending twice is two events each: a source with a dedup_key counts one of them.
    """
    from featurectl.render.streams import render_sent, sent_json
    from featurectl.streaming.send import SendPace
    from featurectl.streaming.session.sending import SendRequest, send_to_topic

    pace = SendPace(speed=_speed_of(options.speed), rate=_rate_of(options.rate))
    of_pipe = options.file == _PIPE
    request = SendRequest(
        source=options.source,
        pace=pace,
        file=None if of_pipe else options.file,
        chunks=_chunks(call) if of_pipe else (),
    )
    with open_applied(call) as workspace:
        sent = send_to_topic(workspace, request, call.progress)
    return Outcome(text=render_sent(sent), result=sent_json(sent))


def _chunks(call: Call) -> Iterator[bytes]:
    """Yield what stdin has, as it comes."""
    import os
    import sys

    if sys.stdin is None:
        raise UsageError("stdin is closed, and no file is given", hint="give a file, or lines of JSON on stdin")
    if sys.stdin.isatty():
        call.progress.done("lines of JSON, one event each; Ctrl-D ends them")
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        yield chunk


def _speed_of(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise UsageError(f"--speed {text!r} is no speed", hint="60x: 60 times as fast as it happened; max: at once")
    return speed


def _rate_of(rate: float | None) -> float | None:
    if rate is not None and not 0 < rate < math.inf:
        raise UsageError(f"--rate {rate:g} is no number of events a second", hint="a number above 0")
    return rate
