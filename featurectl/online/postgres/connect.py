"""Connections to the PostgreSQL of an online store, and its failures in our words.

Nothing is kept in a session, so that a pooler may lend each transaction another one: no `SET`, no lock of a session, no
statement that is prepared under a name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from featurectl.core.errors import (
    FeaturectlError,
    NoAnswerError,
    RefusedDataError,
    StoreError,
    TryAgainError,
    UsageError,
)
from featurectl.core.postgres import NO_ANSWER, connect_limited, connect_watched
from featurectl.core.secrets import hide_address_secrets

T = TypeVar("T")
Session = psycopg.Connection[Any]
ANSWER_S: Final = 10.0
WRITERS: Final = 2  # side by side: a server has more than one processor
_CIRCLES: Final = 2  # of which a transaction is taken out, before it is said to be too many
BUSY_S: Final = 30  # how long a transaction waits for another's, and how long one may do nothing
OPTIONS: Final[Mapping[str, Any]] = {"autocommit": True, "prepare_threshold": None, "client_encoding": "utf8"}
_LIMITS: Final = ("lock_timeout", "idle_in_transaction_session_timeout")
SET_LIMITS: Final = "select " + ", ".join(f"set_config('{name}', '{BUSY_S}s', true)" for name in _LIMITS)
_CONNECTION_FAILED: Final = "connection failed: "
_LOGIN: Final = ("password authentication failed", "no password supplied", "role ", "no pg_hba.conf entry")
_LOCKED: Final = ("55P03", "40P01")
_AWAY: Final = ("57P01", "57P02", "57P03", "25P03", "25P04")  # it is shut down, or ends what takes too long


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """Where a store is: the URL, with its secrets, and what errors call it."""

    url: str = field(repr=False)
    shown: str


def checked_address(url: str, shown: str) -> PostgresAddress:
    """Return the address of a URL; nothing is connected.

    Raises:
        UsageError: it is none of PostgreSQL.
    """
    try:
        ports = str(conninfo_to_dict(url).get("port") or "5432").split(",")
    except psycopg.Error:
        ports = [""]
    if not all(port.isdigit() for port in ports):
        raise UsageError(
            f"the online store {shown} is no URL of PostgreSQL",
            hint="write it like postgresql://user@host:5432/database",
        )
    return PostgresAddress(url=url, shown=shown)


class PostgresLink:
    """A connection that reads and two that write, opened when they are first used, and anew where they have broken.

    What is read is answered in `answer_s`; a write may take any time, as long as the server takes other connections
    meanwhile. Several threads may use it: one reads at a time, and two write, or one where the server gives no second
    connection.
    """

    def __init__(self, address: PostgresAddress, answer_s: float | None = None) -> None:
        self.address = address
        self._answer_s = ANSWER_S if answer_s is None else answer_s
        self._reader = _Line(lambda: connect_limited((address.url,), OPTIONS, self._answer_s))
        self._writers = [
            _Line(lambda: connect_watched((address.url,), OPTIONS, self._answer_s)) for _ in range(WRITERS)
        ]

    def open_transaction(self) -> Session:
        """Return a new connection, of which all is one transaction until it is committed; its calls may take long."""
        return connect_watched((self.address.url,), {**OPTIONS, "autocommit": False}, self._answer_s)

    def read(self, use: Callable[[Session], T]) -> T:
        """Return what comes of a use of the connection that reads; where it has broken it is used once more, anew."""
        with translated(self.address):
            return self._reader.use(use)

    def write(self, use: Callable[[Session], T]) -> T:
        """Return what comes of a transaction, which is begun anew where the connection that was there has broken.

        So it is where it and others waited for each other in a circle, and the server has undone this one.
        """

        def transact(session: Session) -> T:
            with session.transaction():
                session.execute(SET_LIMITS.encode())
                return use(session)

        with translated(self.address):
            first, second = self._writers
            line = second if first.is_used() and second.opens() else first
            for _ in range(_CIRCLES):
                with suppress(psycopg.errors.DeadlockDetected):
                    return line.use(transact)
            return line.use(transact)

    def maintain(self, statement: str) -> Sequence[str]:
        """Carry out a statement that can't be in a transaction; return the messages that the server sends with it."""
        heard: list[str] = []

        def hear(message: psycopg.errors.Diagnostic) -> None:
            heard.append(message.message_primary or "")

        def carry_out(session: Session) -> None:
            session.add_notice_handler(hear)
            try:
                session.execute(statement.encode())
            finally:
                session.remove_notice_handler(hear)

        with translated(self.address):
            self._writers[0].use(carry_out)
        return heard

    def close(self) -> None:
        """Close the connections; they are opened anew when they are used again."""
        for line in (self._reader, *self._writers):
            line.close()


class _Line:
    """A connection that is opened anew where it has broken."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._session: Session | None = None

    def use(self, use: Callable[[Session], T]) -> T:
        with self._lock:
            was_there = self._session is not None
            session = self._opened()
            try:
                return use(session)
            except psycopg.Error as error:
                if not (was_there and session.closed) or str(error).startswith(NO_ANSWER):
                    raise
            return use(self._opened())

    def is_used(self) -> bool:
        return self._lock.locked()

    def opens(self) -> bool:
        """Return whether it is open, or can be opened now."""
        with self._lock:
            try:
                self._opened()
            except psycopg.OperationalError:  # the server has no more connections, or is away, which others say
                return False
        return True

    def close(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _opened(self) -> Session:
        if self._session is None or self._session.closed:
            self._session = None
            self._session = self._connect()
        return self._session


@contextmanager
def translated(address: PostgresAddress) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise store_error(address, error) from error


def store_error(address: PostgresAddress, error: psycopg.Error) -> FeaturectlError:
    """Return a failure of the driver as ours: a server may repeat what it was sent."""
    if error.sqlstate in _LOCKED:
        return TryAgainError(f"another command has been writing to the online store {address.shown} for {BUSY_S} s")
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = hide_address_secrets(lines[0].removeprefix(_CONNECTION_FAILED), address.url)
    what, hint = _described(error, text)
    kind = NoAnswerError if _is_away(error) else RefusedDataError if _is_of_data(error) else StoreError
    return kind(f"the online store {address.shown} {what}", code="FC602", hint=hint)


def _is_away(error: psycopg.Error) -> bool:
    state = error.sqlstate or ""
    return state in _AWAY or state.startswith("08") or (not state and isinstance(error, psycopg.OperationalError))


def _is_of_data(error: psycopg.Error) -> bool:
    """Return whether a server refuses values: they break a rule of their types, a limit of its own, or a check."""
    state = error.sqlstate or ""
    return state.startswith(("22", "54")) or state == "23514"


def _described(error: psycopg.Error, text: str) -> tuple[str, str]:
    """Return what a store does that fails in such a way, saying this, and what may help."""
    if not error.sqlstate and any(words in text for words in _LOGIN):
        return (
            f"refuses the user or the password: {text}",
            "write them like postgresql://${PGUSER}:${PGPASSWORD}@host/database",
        )
    if _is_away(error):
        return (
            f"can't be reached: {text}",
            "is the server running, and is `online:` of the environment its address?",
        )
    return f"refuses: {text}", _REFUSALS.get(error.sqlstate or "", "")


_REFUSALS: Final = {
    "25006": "it is a replica: `online:` must be the address of the primary",
    "3D000": "make the database: createdb NAME",
    "42501": "the user must be allowed to make the schema featurectl_online, and to read and write what is in it",
    "53100": "its disk is full: make room there",
    "53300": "it has no connection left: raise `max_connections` of the server, or put a pooler before it",
    "42P01": "the view version was removed meanwhile: run it again",
}
