"""Views whose lists can't be read get new ones, beside the workers: in a thread with connections of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.offline.event_log import EventLog
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding, can_seed
from featurectl.streaming.work_beside import WorkBeside

_LOOK_S: Final = 0.5
_LONGEST_LOOK_S: Final = 8.0
_FIRST_WAIT_S: Final = 0.05  # for the log to have what it has to, which is opened anew each time
_LONGEST_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltStream:
    """Where the lists of a source are, and the names of its topic's partitions in the register and the log.

    `has_ended` says by the store's clock whether lists are those of somebody's rebuild that was killed.
    """

    place: StreamSource
    state: StreamState
    partitions: Callable[[], Iterable[str]]
    has_ended: Callable[[Generation, int], bool] = lambda *_: False


class Rebuilds(WorkBeside):
    """Looks now and then whether each view version has lists that can be read, and seeds those that have none.

    `on_problem` hears why that can't be done, once for each reason, and None when it can, in the thread of the looks;
    `on_made` hears there of each view that has new lists.
    One worker does so, `is_mine` says whether it is this one: two that did would give up each other's generations.
    """

    def __init__(
        self,
        stream: RebuiltStream,
        log: EventLog,
        views: Mapping[str, SeededView],
        on_problem: Callable[[FeaturectlError | None], None] = lambda _: None,
        on_made: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__("rebuilds")
        self._stream, self._log, self._views, self._on_problem = stream, log, views, on_problem
        self._on_made = on_made
        self._wanted: set[str] = set()
        self.rebuilt = 0
        self.problem: FeaturectlError | None = None  # why the last look came to nothing
        self.is_settled = False  # all views could be read at the last look
        self.is_waiting = False  # for the log to have what lies before the cuts of new lists

    def want(self, view: str) -> None:
        """Have a view version rebuilt though its lists can be read."""
        self._wanted.add(view)
        self.is_settled = False

    def work(self, is_mine: Callable[[], bool]) -> None:
        """Look again and again; what is under way at the end is given up, and done anew by whoever looks next."""
        wait_s = _LOOK_S
        while not self.ends.is_set():
            if is_mine():
                self._look_once()
            wait_s = _LOOK_S if self.problem is None else min(2 * wait_s, _LONGEST_LOOK_S)  # a try may read a whole log
            self.ends.wait(wait_s)

    def _look_once(self) -> None:
        before = self.problem
        try:
            self.look()
            self.problem = None
        except FeaturectlError as error:
            self.problem, self.is_settled = error, False
        if (before and before.message) != (self.problem and self.problem.message):
            self._on_problem(self.problem)

    def are_readable(self) -> bool:
        """Return whether all views have lists that can be read, whoever has made them.

        Raises:
            StoreError: the store can't be used now.
        """
        with closing(self._stream.state.connect(self._stream.place)) as connection:
            state = connection.register.read_state()
        return all(state.live(name) is not None for name in self._views)

    def look(self) -> None:
        """Rebuild what can't be read.

        Raises:
            StoreError: the store or the log can't be used now.
        """
        connection = self._stream.state.connect(self._stream.place)
        try:
            self._remove_ended(connection)
            missing = self._missing(connection)
            self.is_settled = missing == []
            if missing and not self._rebuild(missing, connection):
                return
            self.is_settled = missing is not None
        finally:
            connection.close()

    def _remove_ended(self, connection: StreamConnection) -> None:
        """Remove the lists of rebuilds that were killed, which workers go on writing and nobody reads."""
        state = connection.register.read_state()
        for generation in state.named():
            if generation == state.live(generation.view) or not self._stream.has_ended(generation, state.clock_us):
                continue
            if connection.generations.drop_unread(generation):  # one that slept may have come to its end just now
                with suppress(FeaturectlError):  # a sweep removes later what is left
                    self._stream.state.drop_lists(self._stream.place, generation, self.ends.is_set)

    def _missing(self, connection: StreamConnection) -> list[str] | None:
        """Return the views to rebuild, None where that can't be known yet."""
        state = connection.register.read_state()
        unready = {generation.view for generation in connection.lists.unready()}
        retired = [of for of in state.partitions if of.is_retired]
        if any(min(connection.lists.marks(of.number), default=of.done) < of.done for of in retired):
            unready = {*self._views}  # a master lost records that no topic has any more
        missing = [name for name in self._views if state.live(name) is None or name in unready or name in self._wanted]
        if missing and not can_seed(state, self._log.open(), self._stream.partitions()):
            return None  # workers have not begun with all partitions
        return missing

    def _rebuild(self, names: Sequence[str], connection: StreamConnection) -> bool:
        """Return whether views have new lists that are read; False where one was given up, or the worker ends.

        All are named first: they wait for the log together.
        """
        state = connection.register.read_state()
        before = {name: state.live(name) for name in names}
        seedings = {
            name: Seeding(self._views[name], connection, self._log, self.ends.is_set) for name in dict.fromkeys(names)
        }
        wait_s, are_whole = _FIRST_WAIT_S, True
        try:
            while seedings and not self.ends.is_set():
                for name, seeding in [*seedings.items()]:
                    found = seeding.step(connection)
                    if found == "waits":
                        continue
                    del seedings[name]
                    are_whole = are_whole and found == "done"
                    if found == "done":
                        self._take_note(name, before[name])
                self.is_waiting = bool(seedings)
                if seedings:
                    self.ends.wait(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        finally:
            self.is_waiting = False
        for seeding in seedings.values():
            connection.generations.drop(seeding.generation)
        return are_whole and not seedings

    def _take_note(self, name: str, before: Generation | None) -> None:
        """Count a view that has new lists, and remove those of before."""
        self.rebuilt += 1
        with suppress(FeaturectlError):  # a pass over the lists says so later
            self._on_made(name)
        self._wanted.discard(name)
        if before is not None:
            with suppress(FeaturectlError):  # a sweep removes later what is left
                self._stream.state.drop_lists(self._stream.place, before, self.ends.is_set)
