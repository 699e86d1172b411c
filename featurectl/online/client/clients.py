"""Features for applications, read straight from the online store: `OnlineClient`, and `AsyncOnlineClient` for asyncio.

    client = featurectl.open_client("path/to/repository", env="prod")
    found = client.get(["carrier_delays:late_rate_7d"], {"carrier": ["AA", "DL"]})
    found.values()    # {"late_rate_7d": [0.21, 0.17]}

The registry is read once, when a client is opened; `reload` takes what was applied or trained since.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Generic, Self, TypeVar

from featurectl.core.errors import UsageError
from featurectl.online.base import AsyncRowReader, RowReader
from featurectl.online.client.event_sender import (
    AcknowledgedEvents,
    EventSender,
    EventSending,
    EventValues,
    OpenEventSender,
)
from featurectl.online.client.feature_columns import FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.model_inputs import InputReader
from featurectl.online.client.project_schema import ProjectSchema
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns, read_columns_async
from featurectl.online.future_pushes import latest_at
from featurectl.online.stream_state.protocols import OpenStreams
from featurectl.registry.applied import choose_usable, split_name
from featurectl.registry.state import State

Entities = Mapping[str, Sequence[object]]


def _nothing() -> None:
    """Hold nothing."""


def warn_of_old_names(old_names: Iterable[str]) -> None:
    """Warn a caller in Python, at the caller's own line, of features that are asked for by old names of theirs."""
    warn_caller(old_names, FutureWarning)


def warn_caller(sentences: Iterable[str], category: type[Warning]) -> None:
    """Warn a caller in Python, at the caller's own line."""
    for text in sentences:
        warnings.warn(text, category, stacklevel=_levels_to_caller())


def _levels_to_caller() -> int:
    """Return how many calls above `warn_caller` the first one is that is not of this package."""
    package, frame, level = __name__.partition(".")[0], sys._getframe(1), 1  # noqa: SLF001  # as warnings itself does
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level


class _Questions:
    """What both clients look up without reading: readers by what is asked for, rows by their keys."""

    def __init__(self, load: Callable[[], ProjectSchema], now: datetime | None) -> None:
        self._load = load
        self._now = now
        self.catalog = load()
        self.pushes = Pushes()
        self._models: dict[tuple[str, str], InputReader] = {}
        self._is_closed = False

    def close(self) -> None:
        """Answer nothing any more."""
        self._is_closed = True

    def reload(self) -> None:
        """Take what was applied or trained since."""
        self._check_open()
        self.catalog = self._load()
        self._models = {}

    def state(self) -> State:
        """Return the project as it was when it was loaded."""
        self._check_open()
        return self.catalog.state

    def reader(self, features: Sequence[str] | str) -> FeatureReader:
        """Return the reader of some features, or of those of a model."""
        self._check_open()
        if not isinstance(features, str):
            return self.catalog.reader(features)
        return self.model(features).features

    def model(self, name: str) -> InputReader:
        """Return the reader of a model's inputs: of its champion, or by `model@2`."""
        self._check_open()
        named = split_name(name)
        if named not in self._models:
            self._models[named] = self.catalog.model_reader(choose_usable(self.catalog.state, *named))
        return self._models[named]

    def rows(self, entities: Entities, at: datetime | None) -> KeyRows:
        """Return the rows that are asked about, and as of when."""
        if not isinstance(at, datetime | None):
            raise UsageError(f"at: {at!r} is no datetime", hint="datetime(2026, 1, 8, tzinfo=UTC)")
        if at is not None and at.tzinfo is None:
            raise UsageError(f"at: {at} has no time zone", hint="datetime(2026, 1, 8, tzinfo=UTC)")
        columns = {name: _column(name, values) for name, values in entities.items()}
        counts = {len(column) for column in columns.values()}
        if len(counts) > 1:
            sizes = ", ".join(f"{name} {len(column):,}" for name, column in columns.items())
            raise UsageError(f"the columns of entities have different lengths: {sizes}")
        given, clock = at or self._now, datetime.now(UTC)
        latest = None if given else latest_at(clock)
        return KeyRows(keys=columns, count=counts.pop() if counts else 1, now=given or clock, latest=latest)

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("the client is closed", hint="featurectl.open_client() opens another one")


def _column(name: str, values: Sequence[object]) -> Sequence[object]:
    """Return a column as Python values: those of numpy, pandas and Polars have types of their own."""
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise UsageError(f"{name}: {values!r} is no list of values", hint=f"{{{name!r}: [{values!r}]}}, a value a row")
    for method in ("to_list", "tolist"):
        if callable(listed := getattr(values, method, None)):
            return list(listed())
    return values


Store = TypeVar("Store", bound=RowReader | AsyncRowReader)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientParts:
    """What a client is opened with beside its store: `release` gives back what was opened for it.

    `streams` opens what reads views of streams, `sender` what sends events; each is opened when it is first needed.
    """

    release: Callable[[], None] = _nothing
    streams: OpenStreams | None = None
    sender: OpenEventSender | None = None


class _Client(Generic[Store]):
    """What both clients hold: a store, what is known of the project, and what gives back what they were opened with."""

    def __init__(
        self,
        store: Store,
        load: Callable[[], ProjectSchema],
        now: datetime | None = None,
        parts: ClientParts | None = None,
    ) -> None:
        self._store = store
        self._parts = parts or ClientParts()
        self._streams = self._parts.streams
        self._questions = _Questions(load, now)
        self._opened_sender: EventSender | None = None

    def _sender(self) -> EventSender:
        if self._opened_sender is None:
            if self._parts.sender is None:
                raise UsageError("this client sends no events", hint="featurectl.open_client() opens one that does")
            self._opened_sender = self._parts.sender()
        return self._opened_sender

    def _sending(
        self, source: str, events: EventValues | Sequence[EventValues], key: str | None, *, sync: bool
    ) -> EventSending:
        some = [events] if isinstance(events, Mapping) else [*events]
        return EventSending(state=self._questions.state(), source=source, events=some, idempotency_key=key, sync=sync)

    def _close_parts(self) -> None:
        if self._opened_sender is not None:
            self._opened_sender.close()
        self._parts.release()

    def reload(self) -> None:
        """Take what was applied or trained since the client was opened."""
        self._questions.reload()


class OnlineClient(_Client[RowReader]):
    """Reads features and waits for the store. Not for several threads at once: give each its own.

    Events are sent to the topics of streams: `send` checks them as workers do, and returns once the broker has them.
    """

    def get(self, features: Sequence[str] | str, entities: Entities, at: datetime | None = None) -> FeatureColumns:
        """Return features of many rows.

        `features` are `view:feature` texts (`view:*` is all of a view), or the name of a model (`model@2`), whose
        features are meant. `entities` holds a column per key: a row is one entity of each. `at`: as of an instant.
        A feature that was renamed is found by its `aliases`, too, with a FutureWarning.

        Raises:
            UsageError: there is no such view, feature or model; columns are none, or differ in length.
            DataError: FC506 a key is missing, FC504 a value does not fit.
            StoreError: the store fails.
        """
        reader = self._questions.reader(features)
        warn_of_old_names(reader.old_names)
        return read_columns(
            self._store, reader, self._questions.pushes, self._questions.rows(entities, at), self._streams
        )

    def inputs(self, model: str, rows: Entities, at: datetime | None = None) -> dict[str, Sequence[object]]:
        """Return all inputs of a model, in its order: features, the request columns that `rows` holds, derived ones.

        Raises:
            UsageError: there is no such model.
            DataError: FC506 a column is missing, FC504 a value does not fit.
            StoreError: the store fails.
        """
        reader = self._questions.model(model)
        asked = self._questions.rows(rows, at)
        found = read_columns(self._store, reader.features, self._questions.pushes, asked, self._streams)
        return reader.complete(found, asked.keys)

    def send(
        self,
        source: str,
        events: EventValues | Sequence[EventValues],
        *,
        idempotency_key: str | None = None,
        sync: bool = False,
    ) -> AcknowledgedEvents:
        """Send an event, or a list of them, to the topic of a stream; all of them or none.

        With an `idempotency_key` a call that is repeated within 24 h sends nothing again. `sync`: wait until workers
        have applied the events. A call ends after 10 s.

        Raises:
            UsageError: there is no such stream in JSON, or the key was used for other events.
            DataError: FC504, workers would reject an event; none is sent.
            TryAgainError: another call with the key is under way.
            StoreError: the broker, or the store of keys, does not take them in time.
        """
        return self._sender().send(self._sending(source, events, idempotency_key, sync=sync))

    def close(self) -> None:
        """Give back connections and files; nothing can be read any more."""
        self._questions.close()
        self._store.close()
        self._close_parts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncOnlineClient(_Client[AsyncRowReader]):
    """What `OnlineClient` does, for one event loop: reads of a turn of the loop share a round trip."""

    async def get(
        self, features: Sequence[str] | str, entities: Entities, at: datetime | None = None
    ) -> FeatureColumns:
        """Return features of many rows, as `OnlineClient.get` does."""
        reader = self._questions.reader(features)
        warn_of_old_names(reader.old_names)
        asked = self._questions.rows(entities, at)
        return await read_columns_async(self._store, reader, self._questions.pushes, asked)

    async def inputs(self, model: str, rows: Entities, at: datetime | None = None) -> dict[str, Sequence[object]]:
        """Return all inputs of a model, as `OnlineClient.inputs` does."""
        reader = self._questions.model(model)
        asked = self._questions.rows(rows, at)
        found = await read_columns_async(self._store, reader.features, self._questions.pushes, asked)
        return reader.complete(found, asked.keys)

    async def send(
        self,
        source: str,
        events: EventValues | Sequence[EventValues],
        *,
        idempotency_key: str | None = None,
        sync: bool = False,
    ) -> AcknowledgedEvents:
        """Send events, as `OnlineClient.send` does; the loop goes on meanwhile."""
        return await self._sender().send_beside(self._sending(source, events, idempotency_key, sync=sync))

    async def close(self) -> None:
        """Give back connections and files; nothing can be read any more."""
        self._questions.close()
        await self._store.close()
        self._close_parts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
