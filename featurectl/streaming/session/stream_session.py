"""The work on one source in one process: a worker after the other, each by what is applied at its beginning.

When something else is applied the worker ends at the border of a turn, logs what it has taken, and the next one goes on
with its partitions: what could not be logged is taken again, with the stamps that it has.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.variables import shown_location
from featurectl.language.definitions.source import Source
from featurectl.language.stream_places import topic_address
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from featurectl.streaming.event_decoder import fastavro_named
from featurectl.streaming.generation_records import OlderWorkerError
from featurectl.streaming.jobs_beside import JobsBeside
from featurectl.streaming.list_pass import ListPass
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic
from featurectl.streaming.predictions import EventPredictor, NoPredictor, PredictorFactory
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.run import FATAL, RunOptions, run_worker
from featurectl.streaming.session.applied_lists import give_up, lacking_views, removed_generations
from featurectl.streaming.session.applied_streams import AppliedStream, reader_group
from featurectl.streaming.session.clean_lists import mark_clean
from featurectl.streaming.session.lent_reader import LentReader
from featurectl.streaming.session.rebuild_leases import RebuildLeases
from featurectl.streaming.session.seeded_views import seeded_view
from featurectl.streaming.session.source_report import SourceReport, counted_with
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Division, TakeLimits, TopicBroker
from featurectl.streaming.topics.first_use import open_topic
from featurectl.streaming.worker import StreamWorker, WorkerStream
from featurectl.streaming.worker_counts import WorkerCounts
from featurectl.streaming.worker_pace import WorkerPace
from featurectl.workspace.gone_lists import forget_lists_of
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.streaming.avro_events import IdProblem

_AGAIN_S: Final = 1.0
_SILENT_S: Final = 15.0  # a turn that takes longer is said to hang: most take some milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetting:
    """What the sessions of a process share.

    `applied` reads from the registry what is applied now. `say` hears what a person wants to know of a source.
    """

    workspace: Workspace
    applied: Callable[[], Mapping[str, AppliedStream]]
    say: Callable[[str, str], None]
    once: bool = False
    predictors: PredictorFactory | None = None
    limits: TakeLimits = field(default_factory=TakeLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTopic:
    """Where the topic of a source is, and a reader of the partitions that this process has of it."""

    url: str
    topic: str
    broker: TopicBroker
    reader: LentReader


class StreamSession:
    """Works on one source until it is stopped; `run` is for one thread, all else for any."""

    def __init__(self, setting: SessionSetting, stream: AppliedStream) -> None:
        self.source = stream.source.name
        self._setting, self._stream = setting, stream
        workspace = setting.workspace
        self._place = StreamSource(project=workspace.project, env=workspace.environment.name, source=self.source)
        self._turn_ends = threading.Event()  # the worker ends: as it is to stop, or to go on by what is applied
        self._is_stopped = self.has_begun = False  # begun: the topic and the store could be used
        self._lock = threading.Lock()
        self._before = WorkerCounts()  # of the workers that have ended
        self._worker: StreamWorker | None = None
        self._rebuilds: Rebuilds | None = None
        self._rebuilt = self._reloads = 0
        self._problem = self._lists_problem = ""
        self._partitions: set[int] = set()
        self._list_pass = ListPass()  # of all workers, as long passes outlive what is applied
        self._predictor: EventPredictor = NoPredictor()

    def stop(self) -> None:
        """Have the batch that is under way finished and logged, and nothing more taken."""
        with self._lock:
            self._is_stopped = True
            self._turn_ends.set()

    def follow(self, stream: AppliedStream) -> bool:
        """Go on by other definitions, if they are others, at the border of a turn; return whether they are."""
        with self._lock:
            if stream == self._stream:
                return False
            if stream.erased != self._stream.erased:
                self._list_pass = ListPass()  # all lists are gone over anew
            self._stream, self._reloads = stream, self._reloads + 1
            self._turn_ends.set()
            return True

    def report(self) -> SourceReport:
        """Return what was done so far."""
        worker, rebuilds = self._worker, self._rebuilds
        counts = self._before if worker is None else counted_with(self._before, worker.counts)
        return SourceReport(
            source=self.source,
            events=counts.events,
            late=counts.late,
            rejected=counts.rejected,
            erased=counts.erased,
            reasons=dict(counts.reasons),
            null_keys=dict(counts.null_keys),
            warned=counts.warned,
            logged=counts.logged,
            unlogged=0 if worker is None else worker.unlogged,
            compacted=counts.compacted,
            rebuilt=self._rebuilt + (0 if rebuilds is None else rebuilds.rebuilt),
            begun_anew=counts.begun_anew,
            reloads=self._reloads,
            logged_at_s=counts.logged_at_s,
            has_begun=self.has_begun,
            partitions=tuple(sorted(self._partitions if worker is None else {*worker.readings, *worker.again})),
            problem=self._problem or _silence(worker),
            lists_problem=self._lists_problem,
            predictions=tuple(self._predictor.counts()),
        )

    def run(self) -> None:
        """Work until it is stopped; with `once` until all that was there at the beginning is logged.

        Raises:
            StoreError: the topic, the store or the log can't be used at the beginning, or events are lost.
            UsageError: nothing says where the topic is, or the store keeps no state of streams.
        """
        with ExitStack() as stack:
            state = self._setting.workspace.stream_state()
            stack.callback(state.close)
            if self._setting.predictors is not None:
                say = partial(self._setting.say, self.source)
                self._predictor = self._setting.predictors(self._setting.workspace, self._stream.source, say)
                stack.callback(self._predictor.close)
            opened: OpenedTopic | None = None
            topic_stack = stack.enter_context(ExitStack())
            while (stream := self._next()) is not None:
                if opened is None or (opened.url, opened.topic) != self._address(stream.source):
                    topic_stack.close()
                    opened, self._partitions = self._open(stream.source, topic_stack), set()
                lacking = self._prepare(stream, state)
                if lacking is not None:
                    self._work(stream, state, opened, lacking)
                if self._setting.once and not self._turn_ends.is_set():
                    return

    def _next(self) -> AppliedStream | None:
        with self._lock:
            self._turn_ends.clear()
            return None if self._is_stopped else self._stream

    def _address(self, source: Source) -> tuple[str, str]:
        assert source.stream is not None
        return self._setting.workspace.topic_url(source), source.stream.topic

    def _open(self, source: Source, stack: ExitStack) -> OpenedTopic:
        url, topic = self._address(source)
        broker = open_topics(url, shown_location(topic_address(source, self._setting.workspace.environment)))
        stack.callback(broker.close)
        open_topic(broker, url, topic)
        division = Division(group=reader_group(self._place), reader=_name())
        reader = broker.open_reader(topic, division)
        stack.callback(reader.close)
        return OpenedTopic(url=url, topic=topic, broker=broker, reader=LentReader(reader))

    def _prepare(self, stream: AppliedStream, state: StreamState) -> list[str] | None:
        """Give up lists of what is not applied any more, and return the views that need new ones.

        None: what is applied is to be looked at again.

        Raises:
            StoreError: the store or the registry can't be used at the beginning.
        """
        while True:
            try:
                with closing(state.connect(self._place)) as connection:
                    self._give_up_removed(connection, state)
                    found = lacking_views(connection, state, self._place, stream.views, stream.max_ages_us)
            except StoreError as error:
                if not self.has_begun:
                    raise
                self._hear(error)
                if self._turn_ends.wait(_AGAIN_S):
                    return None
                continue
            self.has_begun = True
            return found

    def _give_up_removed(self, connection: StreamConnection, state: StreamState) -> None:
        """Give up lists of what is not applied; their removal is waited for only where no sweep comes after it."""
        workspace, until = self._setting.workspace, self._turn_ends.is_set if self._setting.once else None
        gone, lacking = removed_generations(
            connection, state, self._place, lambda: self._setting.applied().get(self.source)
        )
        if gone:  # first what is said of their lists: nobody would know of it without them
            names = {of.view for of in gone}
            views = [item for item in workspace.state().objects if item.kind == "feature_view"]
            forget_lists_of(workspace, (item for item in views if f"{item.name}@{item.version}" in names))
        give_up(connection, state, self._place, [*gone, *lacking], until)

    def _work(self, stream: AppliedStream, state: StreamState, opened: OpenedTopic, lacking: Sequence[str]) -> None:
        workspace = self._setting.workspace
        worker = make_worker(workspace, stream, self._place, state, opened)
        worker.predictor = self._predictor
        worker.again |= self._partitions
        leases = RebuildLeases(workspace, stream.kept, self.source)
        rebuilt = RebuiltStream(
            place=self._place, state=state, partitions=lambda: worker.start.names, has_ended=leases.has_ended
        )
        seeded = {name: seeded_view(workspace, stream, name) for name in stream.views}
        on_made = worker.stream.on_clean
        rebuilds = Rebuilds(rebuilt, workspace.event_log(stream.source), seeded, self._hear_of_lists, on_made)
        for name in lacking:
            rebuilds.want(name)
        options = RunOptions(
            limits=self._setting.limits,
            clock=time.monotonic,
            on_problem=self._hear,
            on_quiet=lambda error: self._setting.say(self.source, f"lists are not all shortened: {_with_hint(error)}"),
            list_pass=self._list_pass,
            once=self._setting.once,
            is_ending=lambda: self._is_stopped,
        )
        self._worker, self._rebuilds = worker, rebuilds
        try:
            run_worker(worker, rebuilds, self._turn_ends, options)
        except StoreError as error:
            if isinstance(error, FATAL) or not self._turn_ends.is_set():
                raise
            self._problem = error.message
            self._setting.say(self.source, f"what was taken last is not logged, and is taken again: {error.message}")
        finally:
            self._partitions = set(worker.readings) | worker.again
            self._before, self._rebuilt = counted_with(self._before, worker.counts), self._rebuilt + rebuilds.rebuilt
            self._worker = self._rebuilds = None

    def _hear(self, error: FeaturectlError | None) -> None:
        """Take note of why turns fail, None: they go on; a worker that is older than what is applied looks at that."""
        if isinstance(error, OlderWorkerError):
            found = self._newest()
            if found is not None and self.follow(found):
                return
        self._problem = "" if error is None else error.message
        self._setting.say(self.source, "goes on" if error is None else f"waits: {_with_hint(error)}")

    def _hear_of_lists(self, error: FeaturectlError | None) -> None:
        """Take note of why lists can't be made; what keeps turns from going on, too, is said of these alone."""
        before, self._lists_problem = self._lists_problem, "" if error is None else error.message
        if error is not None and error.message != self._problem:
            self._setting.say(self.source, f"lists can't be made: {_with_hint(error)}")
        elif error is None and before != self._problem and not self._problem:
            self._setting.say(self.source, "lists are made again")

    def _newest(self) -> AppliedStream | None:
        try:
            return self._setting.applied().get(self.source)
        except FeaturectlError:
            return None


def _silence(worker: StreamWorker | None) -> str:
    """Return that a turn of a worker takes very long, as something that it waits for does not answer; or ""."""
    if worker is None or not worker.turn_begun_s or time.monotonic() - worker.turn_begun_s < _SILENT_S:
        return ""
    return f"a turn has been under way for more than {_SILENT_S:g} s: a store, the broker or the log does not answer"


def _with_hint(error: FeaturectlError) -> str:
    """Return what keeps a worker from its work, and what helps in the words of the error.

    Where these are written for commands that end, it says beside that a worker needs no other run.

    >>> _with_hint(StoreError("the store is away", hint="start it"))
    'the store is away (start it)'
    >>> _with_hint(StoreError("the disk is full", hint="make room, then run it again: nothing is lost"))
    'the disk is full (make room, then run it again: nothing is lost; this worker tries again by itself)'
    >>> _with_hint(StoreError("it is in use", hint="stop that, or run it again with a file of its own"))
    'it is in use (stop that, or run it again with a file of its own; this worker tries again by itself)'
    """
    hint = f"{error.hint}; this worker tries again by itself" if "run it again" in error.hint else error.hint
    return f"{error.message} ({hint})" if hint else error.message


def _name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def _wall_us() -> int:
    return time.time_ns() // 1_000


def make_worker(
    workspace: Workspace, stream: AppliedStream, place: StreamSource, state: StreamState, opened: OpenedTopic
) -> StreamWorker:
    """Return a worker on a source as it is applied, which has no partitions yet."""
    source = stream.source
    id_problem = _id_problem(source, workspace)
    work = WorkerStream(
        source=source,
        views=stream.kept,
        place=place,
        state=state,
        id_problem=id_problem,
        erased=stream.erased,
        on_clean=partial(mark_clean, workspace, stream),
    )
    topic = WorkerTopic(
        state=partial(opened.broker.state, opened.topic),
        watermarks=partial(opened.broker.watermarks, opened.topic),
        reader=opened.reader,
        trim=partial(opened.broker.trim, opened.topic),
    )
    log = LogWriter(workspace.event_log(source), workspace.rejected_log(source), stream.erased.number)
    assert source.stream is not None
    keep_s = source.stream.retention_us / 1_000_000
    pace = WorkerPace(
        clock=time.monotonic,
        wall_us=_wall_us,
        keep_s=keep_s,
        beat_every_s=state.heartbeat_s,
        beside=JobsBeside(f"log of {source.name}").begin,
    )
    return StreamWorker(work, topic, log, pace)


def _id_problem(source: Source, workspace: Workspace) -> IdProblem | None:
    """Return what holds the ids of Avro schemas to the file of a source that names a registry."""
    if source.stream is None or not source.stream.registry:
        return None
    with fastavro_named(source):
        from featurectl.streaming.schema_ids import id_problem_of
    return id_problem_of(source, workspace.environ)
