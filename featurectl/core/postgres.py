"""Connections to PostgreSQL that do not wait for ever: a server that hangs keeps them and answers nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_S: Final = 5
PROBE_S: Final = 30  # a query may take hours: so often it is seen whether the server still answers others
NO_ANSWER: Final = "no answer within"  # begins what is said of a server that hangs
_WAKE_S: Final = 0.1


def probe_seconds() -> float:
    """Return for how long nothing may come before it is seen whether the server answers others."""
    return PROBE_S


def connect_limited(args: Sequence[Any], options: Mapping[str, Any], answer_s: float) -> Connection[Any]:
    """Return a connection of which every call fails that is not answered within so many seconds."""
    return _connected(args, options, answer_s)


def connect_watched(args: Sequence[Any], options: Mapping[str, Any], answer_s: float) -> Connection[Any]:
    """Return a connection whose calls may take any time, as long as its server takes another one meanwhile.

    That is tried whenever nothing has come for so many seconds: of an address of several hosts at the very one, as
    another one may answer long since.
    """
    connection = _connected(args, options, answer_s)
    again = {"connect_timeout": CONNECT_S, **options, **_place(connection)}
    vars(connection)["probe"] = lambda: _kind().connect(*args, **again).close()
    return connection


def _connected(args: Sequence[Any], options: Mapping[str, Any], answer_s: float) -> Connection[Any]:
    connection: Connection[Any] = _kind().connect(*args, **{"connect_timeout": CONNECT_S, **options})
    vars(connection)["answer_s"] = answer_s
    return connection


def _place(connection: Connection[Any]) -> dict[str, str]:
    """Return which server a connection is to, of those that its address names."""
    info = connection.info
    place = {"host": info.host, "hostaddr": info.hostaddr, "port": str(info.port)}
    return {name: value for name, value in place.items() if value}


class _AnswerLimit:
    """Watches the calls of a connection that is closed when an answer does not come.

    Mixed into the connection of a library that not everybody has installed.
    """

    answer_s = 0.0  # while it is opened `connect_timeout` counts
    probe: Callable[[], object] | None = None
    pgconn: Any

    def wait(self, gen: Any, interval: float = _WAKE_S, timeout: float | None = None) -> Any:
        """Consume the steps of a call."""
        steps = self._watched(gen) if self.answer_s else gen
        return super().wait(steps, interval, timeout)  # type: ignore[misc]  # a mixin of connections

    def _watched(self, gen: Any) -> Generator[Any, Any, Any]:
        last = monotonic()
        try:
            step = next(gen)
            while True:
                ready = yield step
                if ready:
                    last = monotonic()
                elif monotonic() - last > self.answer_s:
                    self._missed()
                    last = monotonic()
                step = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _missed(self) -> None:
        """See whether a server that does not answer answers others.

        Raises:
            OperationalError: it does not, or nothing takes so long here.
        """
        from psycopg import OperationalError

        message = f"{NO_ANSWER} {self.answer_s:g} s"
        try:
            if self.probe is not None:
                self.probe()
                return
        except OperationalError as error:
            message = f"{message}, nor a new connection: {error}"
        self.pgconn.finish()
        raise OperationalError(message)


@cache
def _kind() -> Any:
    """Return the class of connections whose answers are limited."""
    import psycopg

    class LimitedConnection(_AnswerLimit, psycopg.Connection[Any]):
        """A connection that is closed when an answer does not come."""

    return LimitedConnection
