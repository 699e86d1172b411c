"""Where predictions on events go: a topic, or a Delta table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from featurectl.core.errors import FeaturectlError, NoAnswerError, StoreError
from featurectl.core.variables import shown_location
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import Stream
from featurectl.language.stream_places import topic_address
from featurectl.predicting.predictions import EventPrediction
from featurectl.streaming.jobs_beside import Beside, JobsBeside
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TopicWriter, record_size
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.streaming.topics.first_use import open_topic
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.offline.appended_table import AppendedTable

_FLUSH_S: Final = 2.0  # a broker that takes longer is away
_MOST_ON_THE_WAY: Final = 2  # puts
_EVERY_S: Final = 5.0  # between two commits of a table
_MOST_ROWS: Final = 50_000
_COMMIT_S: Final = 4.0  # so long the last commit is waited for
_SILENT_S: Final = 15.0  # a commit that takes longer is said to hang


class RefusedPrediction(NamedTuple):
    """A prediction that can't be where it was to go, and what is wrong with it."""

    prediction: EventPrediction
    why: str


class PredictionsPlace(Protocol):
    """Takes predictions, for one thread. Every method raises `StoreError` where they can't be written now.

    What may be waited for long is done beside: a topic is opened, and a commit of a table is made, while turns go on.
    """

    def prepare(self) -> bool:
        """Begin to open a place that is not open, and return whether more can be taken now."""

    @property
    def is_busy(self) -> bool:
        """Whether something is done beside, so that nobody hurries for it."""

    @property
    def problem(self) -> StoreError | None:
        """That something which is done beside takes very long, as somebody does not answer."""

    def put(self, predictions: Sequence[EventPrediction]) -> None:
        """Take some predictions; it was prepared for more."""

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

    def __init__(self, workspace: Workspace, model: str, on_events: OnEvents, beside: Beside) -> None:
        self._workspace, self._beside = workspace, beside
        self._source = Source(name=model, format="stream", stream=Stream(topic=on_events.topic, url=on_events.url))
        self._opening: Future[TopicWriter] | None = None
        self._writer: TopicWriter | None = None
        self._on_the_way: list[Sequence[EventPrediction]] = []  # puts since all was there
        self._refused: list[RefusedPrediction] = []

    def prepare(self) -> bool:
        """Return whether the topic is open, and few predictions are on their way.

        Raises:
            StoreError: the broker does not answer, or has no such topic.
            UsageError: nothing says where the topic is.
        """
        if self._writer is None:
            self._opening = self._opening or self._beside(self._opened)
            if self._opening.done():
                opening, self._opening = self._opening, None
                self._writer = opening.result()
        return self._writer is not None and len(self._on_the_way) < _MOST_ON_THE_WAY

    @property
    def is_busy(self) -> bool:
        """Whether the topic is being opened."""
        return self._opening is not None

    @property
    def problem(self) -> StoreError | None:
        """None: who opens a topic gives up in time."""
        return None

    def put(self, predictions: Sequence[EventPrediction]) -> None:
        """Send them.

        Raises:
            StoreError: the broker does not take them.
        """
        assert self._writer is not None, "not prepared"
        with self._closed_if_it_fails():
            self._on_the_way.append(predictions)
            self._writer.send([each.record() for each in predictions])

    def flush(self, *, is_last: bool = False) -> bool:
        """Return whether the broker has acknowledged all.

        Raises:
            StoreError: it does not, or has not for two seconds.
        """
        if self._writer is None or not self._on_the_way:
            return True
        with self._closed_if_it_fails():
            try:
                if is_last:
                    self._writer.flush(_FLUSH_S)
                elif not self._writer.deliver(_FLUSH_S):
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
        if self._writer is not None and not self._writer.forget():
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

    def _opened(self) -> TopicWriter:
        """Look for the topic, and return a writer to it, which has connections of its own."""
        assert self._source.stream is not None
        url = self._workspace.topic_url(self._source)
        shown = shown_location(topic_address(self._source, self._workspace.environment))
        with closing(open_topics(url, shown)) as broker:
            open_topic(broker, url, self._source.stream.topic)
            return broker.open_writer(self._source.stream.topic)

    def close(self) -> None:
        """Close the writer; one that is being opened is closed when it is."""
        self._on_the_way.clear()
        writer, self._writer = self._writer, None
        opening, self._opening = self._opening, None
        if writer is not None:
            _close(writer)
        if opening is not None:
            opening.add_done_callback(lambda done: None if done.exception() else _close(done.result()))


class PredictionsTable:
    """A Delta table: predictions of a few seconds are one commit of it, and while that is made no more are taken."""

    def __init__(
        self, workspace: Workspace, path: str, beside: Beside, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._workspace, self._path, self._beside, self._clock = workspace, path, beside, clock
        self._table: AppendedTable | None = None
        self._waiting: list[EventPrediction] = []
        self._commit: Future[None] | None = None
        self._since_s = 0.0  # the first of those that wait, or the commit that is under way

    def prepare(self) -> bool:
        """Return whether no commit is under way."""
        return self._commit is None

    @property
    def is_busy(self) -> bool:
        """Whether a commit is under way."""
        return self._commit is not None

    @property
    def problem(self) -> StoreError | None:
        """That a commit has been under way for long."""
        if self._commit is None or self._clock() - self._since_s < _SILENT_S:
            return None
        what = f"a commit to table {shown_location(self._path)} has been under way for more than {_SILENT_S:g} s"
        return NoAnswerError(what)

    def put(self, predictions: Sequence[EventPrediction]) -> None:
        """Take them."""
        if not self._waiting:
            self._since_s = self._clock()
        self._waiting += predictions

    def flush(self, *, is_last: bool = False) -> bool:
        """Begin to commit what waits where it is time, and return whether all is committed.

        Raises:
            StoreError: FC603, the table can't be written, or not in time. UsageError: a variable of its path is not
                set.
        """
        if self._commit is None and self._waiting:
            is_due = self._clock() - self._since_s >= _EVERY_S or len(self._waiting) >= _MOST_ROWS
            if not (is_due or is_last):
                return False
            waiting, self._waiting = self._waiting, []  # where this fails, all are made again
            self._since_s = self._clock()
            self._commit = self._beside(lambda: self._append(waiting))
        return self._commit is None or self._has_ended(self._commit, _COMMIT_S if is_last else 0.0)

    def _has_ended(self, commit: Future[None], limit_s: float) -> bool:
        if limit_s:
            wait([commit], limit_s)
        if not commit.done():
            if not limit_s:
                return False
            self.forget()
            raise NoAnswerError(f"table {shown_location(self._path)} has not answered for {limit_s:g} s")
        self._commit = None
        commit.result()
        return True

    def _append(self, predictions: Sequence[EventPrediction]) -> None:
        from featurectl.predicting.prediction_rows import prediction_rows

        if self._table is None:
            self._table = self._opened()
        self._table.append(prediction_rows(predictions))

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
        """Let go what waits; a commit that is under way may be made all the same."""
        self._waiting, self._commit = [], None

    def close(self) -> None:
        """Let go what waits."""
        self.forget()


def _close(writer: TopicWriter) -> None:
    with suppress(FeaturectlError):
        writer.close()


def open_place(workspace: Workspace, model: str, on_events: OnEvents, beside: Beside | None = None) -> PredictionsPlace:
    """Return where the predictions of a model go; nothing is connected before the first.

    `beside` does what is waited for long; None: a thread of the place's own.
    """
    beside = beside or JobsBeside(f"predictions of {model}").begin
    if on_events.path:
        return PredictionsTable(workspace, on_events.path, beside)
    return PredictionsTopic(workspace, model, on_events, beside)
