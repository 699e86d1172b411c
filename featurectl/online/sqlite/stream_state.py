"""The state of streams in the SQLite file of an online store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from featurectl.online.sqlite.store import AsyncSqliteReader
from featurectl.online.sqlite.stream_file import StreamFile, StreamFilePlace, host_clock
from featurectl.online.stream_sql.state import SqlStreamConnection, SqlStreams
from featurectl.online.stream_state.base import Generation, ListsAnswer, ListsAsk, StreamPoll, StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock

_WAIT_S: Final = 10.0


class AsyncSqliteStreamReader(AsyncSqliteReader):
    """An `AsyncStreamReader` of a file: a look-up takes microseconds, so it is made at once.

    It waits at most `budget_s`, and only for a program that keeps even readers out of the file.
    """

    def __init__(self, path: Path, shown: str, budget_s: float) -> None:
        super().__init__(path, shown, budget_s)
        self._state = SqliteStreamState(path, shown, wait_s=budget_s)

    async def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register."""
        return self._state.read_poll(source)

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, all as of one moment."""
        return self._state.read(source, asks)

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep."""
        return self._state.read_layout(source, generation)

    async def close(self) -> None:
        """Close the file."""
        await super().close()
        self._state.close()


class SqliteStreamState(SqlStreams):
    """A `StreamState` in a file: WAL, one transaction a step, readers never wait for a writer."""

    heartbeat_s: ClassVar[float] = 0.05  # each is a transaction that others who write wait for

    def __init__(
        self, path: Path, shown: str = "", clock: MicrosecondClock = host_clock, wait_s: float | None = None
    ) -> None:
        waits = _WAIT_S if wait_s is None else wait_s
        self._place = StreamFilePlace(path=path, shown=shown or str(path), wait_s=waits, clock=clock)
        super().__init__(StreamFile(self._place, pinned=False))

    def connect(self, source: StreamSource) -> SqlStreamConnection:
        """Return a connection to the file that lies there, of one worker, compactor or rebuild."""
        return SqlStreamConnection(StreamFile(self._place, pinned=True), source)
