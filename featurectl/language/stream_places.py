"""Where the topic of a stream lies in an environment, and whether streams can run there."""

from __future__ import annotations

from featurectl.core.errors import UsageError
from featurectl.language.definitions.source import Source
from featurectl.language.repo import Environment


def topic_address(source: Source, environment: Environment, *, what: str = "") -> str:
    """Return the URL, unexpanded, of where the topic of a stream lies: the stream's own, else the environment's.

    `what` is what an error calls it; "": the stream.

    Raises:
        UsageError: neither says it.
    """
    assert source.stream is not None
    written = source.stream.url or environment.streams
    if not written:
        raise UsageError(
            f"environment {environment.name} does not say where topics are, "
            f"and so not where {what or f'stream {source.name}'} is",
            hint="streams: sqlite:///.featurectl/streams.db in the environment; redis:// and kafka:// in production",
        )
    return written


def check_streams_run(environment: Environment) -> None:
    """Check that streams can run in an environment: events are stamped by the clock, and read up to it.

    Raises:
        UsageError: the environment has a clock of its own, which stands still.
    """
    if environment.now is not None:
        raise UsageError(
            f"environment {environment.name} has a fixed clock (`now:`), and events are stamped by the clock",
            hint="run streams in an environment without `now:`",
        )
