"""What a connection writes: an answer in one go, and an end that a client hears."""

from __future__ import annotations

import asyncio
from typing import Any

from featurectl.core.dataclass import dataclass
from featurectl.serving.process.connections import STALLED_BYTES, STALLED_S
from featurectl.serving.process.listening import reset_when_closed, untaken_bytes


@dataclass(frozen=True, slots=True)
class _Mark:
    """What had been written to a client at a moment, and what of it had been taken."""

    at_s: float
    written: int
    taken: int


class AnswerTransport:
    """A transport that keeps the head of an answer until its body comes, and sends both at once.

    A head is the first write after an answer has ended, and nothing else begins like it: bodies come after heads.

    Its end is sent to the client first, and the connection is left open for what the client is sending at that moment:
    were it closed at once, the client's system would throw away the answer that it has not read yet.
    """

    __slots__ = ("_head", "_mark", "_transport", "_write", "is_ended", "written")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._head = b""
        self.is_ended = False
        self.written = 0  # bytes by now, sent or not
        self._mark: _Mark | None = None

    def write(self, data: bytes) -> None:
        """Write, or keep a head; nothing to a client that is gone, nor behind the end."""
        if self._head:
            data = self._head + data
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
            return
        if not self.is_closing():
            self.written += len(data)
            self._write(data)

    def write_whole(self, answer: bytes) -> None:
        """Write an answer, head and body; nothing to a client that is gone, nor behind the end."""
        if not self.is_closing():
            self.written += len(answer)
            self._write(answer)

    def flush(self) -> None:
        """Send a head that has no body: the answer to HEAD."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what is there, and that it is all; who looks after the connection aborts it later."""
        self.flush()
        if not self.is_ended and not self._transport.is_closing():
            self.is_ended = True
            self._transport.write_eof()
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Return whether nothing is answered here any more."""
        return self.is_ended or self._transport.is_closing()

    @property
    def is_waiting(self) -> bool:
        """Whether the client had something to take when it was last looked at."""
        return self._mark is not None

    def is_stalled(self, now_s: float) -> bool:
        """Return whether the client has not taken what waited for it ten seconds ago, nor as much as it should have."""
        untaken, mark = self._untaken(), self._mark
        taken = self.written - untaken
        if untaken and mark and taken < mark.written and taken - mark.taken < STALLED_BYTES:
            return now_s - mark.at_s >= STALLED_S
        self._mark = _Mark(now_s, self.written, taken) if untaken else None
        return False

    def reset(self) -> None:
        """End the connection at once; what was not taken is thrown away."""
        if not self._transport.is_closing():
            reset_when_closed(self._transport.get_extra_info("socket").fileno())
        self._transport.abort()

    def _untaken(self) -> int:
        if self._transport.is_closing():
            return 0
        number: int = self._transport.get_extra_info("socket").fileno()
        return self._transport.get_write_buffer_size() + untaken_bytes(number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
