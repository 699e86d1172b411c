"""`featurectl stream reset`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

LogLost = Annotated[bool, typer.Option("--log-lost", help="The log was lost: remove the stream from the online store.")]


@verb()
def reset(
    call: Call,
    source: Annotated[str, typer.Argument(help="A source that is a stream.")],
    log_lost: LogLost = False,
) -> Outcome:
    """Go on with a topic that was removed and made again.

    Workers end with an error where the topic is not the one that they have read: its offsets are of other events now.
    This begins with it anew; what was logged of it stays, and what was taken and not logged is counted. The source's
    name confirms it. Where a worker still goes on with the topic of before, stop it first.

    With --log-lost the log was lost, or came back from an older copy: what the online store has of the stream is
    removed, and workers begin anew with what the topic has.
    """
    from featurectl.render.stream_run import render_reset, reset_json
    from featurectl.streaming.session.reset_source import forget_lost_log, reset_source

    with open_applied(call) as workspace:
        if log_lost:
            forget_lost_log(workspace, source)
            text = f"{source} is removed from the online store: workers begin anew with what its topic has."
            return Outcome(text=text, result={"source": source, "removed": True})
        found = reset_source(workspace, source)
    return Outcome(text=render_reset(source, found), result={"source": source, **reset_json(found)})
