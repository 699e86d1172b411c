"""Where predictions on events go: a topic, or a Delta table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from featurectl.core.errors import FeaturectlError, NoAnswerError
from featurectl.core.variables import shown_location
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import Stream
from featurectl.language.stream_places import topic_address
from featurectl.predicting.predictions import EventPrediction
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TopicBroker, TopicWriter, record_size
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.streaming.topics.first_use import open_topic
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.offline.appended_table import AppendedTable

_FLUSH_S: Final = 2.0  # a broker that takes longer is away
_MOST_ON_THE_WAY: Final = 2  # puts
_EVERY_S: Final = 5.0  # between two commits of a table
_MOST_ROWS: Final = 50_000


class RefusedPrediction(NamedTuple):
    """A prediction that can't be where it was to go, and what is wrong with it."""

    prediction: EventPrediction
    why: str


class PredictionsPlace(Protocol):
    """Takes predictions, for one thread. Every method raises `StoreError` where they can't be written now."""

    @property
    def has_room(self) -> bool:
        """Whether more can be taken before something of what was taken is there."""

    def put(self, predictions: Sequence[EventPrediction]) -> None:
        """Take some predictions."""

    def flush(self, *, is_last: bool = False) -> bool:
        """Return whether all that were taken are there; `is_last`: that is waited for, and nothing goes with others."""

    def refused(self) -> Sequence[RefusedPrediction]:
        """Return those that will never be there, since this was asked last: the others that were taken with them are.

        They count as being there.
        """

    def forget(self) -> None:
        """Let go what was taken and is not there: it is made again."""

    def close(self) -> None:
        """Give back connections; what was not flushed is not written."""


class PredictionsTopic:
    """A topic: what is put there is there when the broker has acknowledged it.

    The next predictions are made while the last are on their way.
    """

    def __init__(self, workspace: Workspace, model: str, on_events: OnEvents) -> None:
        self._workspace = workspace
        self._source = Source(name=model, format="stream", stream=Stream(topic=on_events.topic, url=on_events.url))
        self._opened: tuple[TopicBroker, TopicWriter] | None = None
        self._on_the_way: list[Sequence[EventPrediction]] = []  # puts since all was there
        self._refused: list[RefusedPrediction] = []

    @property
    def has_room(self) -> bool:
        """Whether few predictions are on their way."""
        return len(self._on_the_way) < _MOST_ON_THE_WAY

    def put(self, predictions: Sequence[EventPrediction]) -> None:
        """Send them.

        Raises:
            StoreError: the broker does not take them, or has no such topic.
            UsageError: nothing says where the topic is.
        """
        with self._closed_if_it_fails():
            self._on_the_way.append(predictions)
            self._writer().send([each.record() for each in predictions])

    def flush(self, *, is_last: bool = False) -> bool:
        """Return whether the broker has acknowledged all.

        Raises:
            StoreError: it does not, or has not for two seconds.
        """
        if self._opened is None or not self._on_the_way:
            return True
        writer = self._opened[1]
        with self._closed_if_it_fails():
            try:
                if is_last:
                    writer.flush(_FLUSH_S)
                elif not writer.deliver(_FLUSH_S):
                    return False
            except MessageTooLargeError as error:
                self._put_aside(error)
        self._on_the_way.clear()
        return True

    def _put_aside(self, error: MessageTooLargeError) -> None:
        """Take note of predictions that are too large; the broker has all others."""
        too_large = {*error.records}
        for each in chain.from_iterable(self._on_the_way):
            record = each.record()
            if record in too_large:
                takes = "" if error.limit is None else f", which takes {error.limit:,}"
                why = f"has {record_size(record):,} bytes, too many for topic {error.topic}{takes}"
                self._refused.append(RefusedPrediction(each, why))

    def refused(self) -> Sequence[RefusedPrediction]:
        """Return those that are larger than the topic takes, since this was asked last."""
        refused, self._refused = self._refused, []
        return refused

    def forget(self) -> None:
        """Let go what is on its way."""
        self._on_the_way.clear()
        self._refused.clear()
        if self._opened is not None and not self._opened[1].forget():
            self.close()

    @contextmanager
    def _closed_if_it_fails(self) -> Iterator[None]:
        """Have a topic looked for again after a failure, but not of a broker that hangs: that would be waited for."""
        try:
            yield
        except NoAnswerError:
            self.forget()
            raise
        except FeaturectlError:
            self.close()
            raise

    def _writer(self) -> TopicWriter:
        if self._opened is None:
            assert self._source.stream is not None
            url = self._workspace.topic_url(self._source)
            broker = open_topics(url, shown_location(topic_address(self._source, self._workspace.environment)))
            try:
                open_topic(broker, url, self._source.stream.topic)
                self._opened = broker, broker.open_writer(self._source.stream.topic)
            except BaseException:
                broker.close()
                raise
        return self._opened[1]

    def close(self) -> None:
        """Close the writer and the broker."""
        self._on_the_way.clear()
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(FeaturectlError):
                opened[1].close()
            with suppress(FeaturectlError):
                opened[0].close()


class PredictionsTable:
    """A Delta table: predictions of a few seconds are one commit of it."""

    def __init__(self, workspace: Workspace, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace, self._path, self._clock = workspace, path, clock
        self._table: AppendedTable | None = None
        self._waiting: list[EventPrediction] = []
        self._since_s = 0.0

    @property
    def has_room(self) -> bool:
        """That there always is."""
        return True

    def put(self, predictions: Sequence[EventPrediction]) -> None:
        """Take them."""
        if not self._waiting:
            self._since_s = self._clock()
        self._waiting += predictions

    def flush(self, *, is_last: bool = False) -> bool:
        """Commit what waits where it is time.

        Raises:
            StoreError: FC603, the table can't be written. UsageError: a variable of its path is not set.
        """
        is_due = self._clock() - self._since_s >= _EVERY_S or len(self._waiting) >= _MOST_ROWS
        if not self._waiting:
            return True
        if not (is_due or is_last):
            return False
        waiting, self._waiting = self._waiting, []  # where this fails, all are made again
        from featurectl.predicting.prediction_rows import prediction_rows

        if self._table is None:
            self._table = self._opened()
        self._table.append(prediction_rows(waiting))
        return True

    def _opened(self) -> AppendedTable:
        from featurectl.offline.appended_table import AppendedTable

        place = self._workspace.location(self._path, "on_events.to.path")
        if "://" not in place:
            place = str((Path(self._workspace.root) / place).absolute())
        return AppendedTable(place, shown_location(self._path))

    def refused(self) -> Sequence[RefusedPrediction]:
        """Return none: a table has no limit."""
        return ()

    def forget(self) -> None:
        """Let go what waits."""
        self._waiting = []

    def close(self) -> None:
        """Let go what waits."""
        self.forget()


def open_place(workspace: Workspace, model: str, on_events: OnEvents) -> PredictionsPlace:
    """Return where the predictions of a model go; nothing is connected before the first."""
    if on_events.path:
        return PredictionsTable(workspace, on_events.path)
    return PredictionsTopic(workspace, model, on_events)
