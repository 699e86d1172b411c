"""`featurectl stream status`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied


@verb()
def status(
    call: Call,
    sources: Annotated[list[str] | None, typer.Argument(help="Sources that are streams; all by default.")] = None,
) -> Outcome:
    """Show how far streams are: topics, what is online, and workers.

    A value that is read online is true as of an instant up to which all events are in it: how long ago that was is the
    age that SLAs are about. An event is unread until it is online. Late events came more than a minute after they had
    happened; they and repeats are counted in the last minute of the log, rejected events since the beginning.

    Topic, online store and log are given five seconds each; what does not answer is named, and the rest is shown.

    Exits 1 when a stream is older than the strictest `error_after` of its source, views and features (STALE), when a
    view is not online (OFF: no worker has run, or one is preparing it still), or when a part of it could not be looked
    at, or its topic is not what was read of it, or its log lacks what it had, so that workers would end (ERROR).
    """
    from featurectl.render.stream_status import render_stream_status, stream_status_json
    from featurectl.streaming.status.read import read_stream_status

    with open_applied(call) as workspace:
        found = read_stream_status(workspace, sources or ())
    return Outcome(
        text=render_stream_status(found),
        result={"streams": [stream_status_json(status) for status in found]},
        exit_code=int(any(status.verdict in ("STALE", "OFF", "ERROR") for status in found)),
    )
