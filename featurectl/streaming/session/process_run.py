"""The work of one process: a thread for each source, and one that looks what is applied."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.streaming.predictions import PredictorFactory
from featurectl.streaming.run import StopSignal
from featurectl.streaming.session.applied_streams import AppliedStream, chosen_streams
from featurectl.streaming.session.followed_streams import FollowedStreams
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stream_session import SessionSetting, StreamSession
from featurectl.workspace.workspace import Workspace

_TICK_S: Final = 0.1
_ENDS_S: Final = 7.0  # so long for one that has: with what comes after it less than the ten seconds of `docker stop`
_SILENCE_S: Final = 2.0  # so long it is waited for what does not answer a session that has taken nothing yet


class RunListener(Protocol):
    """Hears of a run while it goes on."""

    def say(self, source: str, text: str) -> None:
        """Hear what a person wants to know of a source; from any thread."""

    def report(self, reports: Sequence[SourceReport]) -> None:
        """Hear how far all sources are, several times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRunRequest:
    """Which sources are worked on (none named: all that are applied), and whether only what is there now.

    What is applied is looked at every `follow_s` seconds. `predictors` makes who predicts the events of a source; None:
    nobody does.
    """

    sources: tuple[str, ...] = ()
    once: bool = False
    follow_s: float = 2.0
    predictors: PredictorFactory | None = None


class ProcessRun:
    """The sessions of a process. Of sources that are applied later one is begun, unless sources were named."""

    def __init__(self, workspace: Workspace, request: StreamRunRequest, listener: RunListener) -> None:
        self._workspace, self._request, self._listener = workspace, request, listener
        self._registry = FollowedStreams(workspace)
        self._setting = SessionSetting(
            workspace=workspace,
            applied=self._registry.read,
            say=listener.say,
            once=request.once,
            predictors=request.predictors,
        )  # fmt: skip
        self._sessions: dict[str, StreamSession] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._fault: BaseException | None = None
        self._registry_problem = ""
        self._is_ending = False

    def run(self, stop: StopSignal) -> Sequence[SourceReport]:
        """Work until stopped, with `once` until all is done, and return what was done.

        Raises:
            UsageError: a source is not applied, or is no stream.
            StoreError: a source can't be worked on; all others were ended in order.
        """
        for stream in chosen_streams(self._workspace.applied_state(), self._request.sources).values():
            self._begin(stream)
        followed_s = time.monotonic()
        try:
            while not (stop.is_set() or self._fault or self._are_done()):
                stop.wait(_TICK_S)
                self._listener.report(self.reports())
                if time.monotonic() - followed_s >= self._request.follow_s:
                    followed_s = time.monotonic()
                    self._follow()
        finally:
            self._end()
        self._listener.report(self.reports())
        if self._fault is not None:
            raise self._fault
        return self.reports()

    def _end(self) -> None:
        """Have all sessions end in order, as far as what they wait for answers.

        One whose first connection does not answer has nothing to put in order. What another one has not logged after
        some seconds is taken again by the next worker, as after a `kill -9`.
        """
        self._is_ending, begin_s = True, time.monotonic()
        for session in self._sessions.values():
            session.stop()
        for name, thread in self._threads.items():
            limit_s = _ENDS_S if self._sessions[name].has_begun else _SILENCE_S
            while thread.is_alive() and time.monotonic() - begin_s < limit_s:
                thread.join(_TICK_S)
            if thread.is_alive() and self._sessions[name].has_begun:
                why = f"what it waits for has not answered for {_ENDS_S:g} s"
                self._listener.say(name, f"its work is left as it is, and is done by the next worker: {why}")

    def reports(self) -> Sequence[SourceReport]:
        """Return what was done so far for each source."""
        return [session.report() for session in self._sessions.values()]

    def _are_done(self) -> bool:
        is_alone = self._request.once or bool(self._request.sources)  # others may be applied later
        return is_alone and not any(thread.is_alive() for thread in self._threads.values())

    def _begin(self, stream: AppliedStream) -> None:
        session = StreamSession(self._setting, stream)
        self._sessions[session.source] = session
        thread = threading.Thread(target=self._work, args=(session,), name=f"stream {session.source}", daemon=True)
        self._threads[session.source] = thread
        self._say_views(stream)
        thread.start()

    def _work(self, session: StreamSession) -> None:
        try:
            session.run()
        except BaseException as error:  # noqa: BLE001 (the thread of the run raises it)
            if not (self._is_ending and isinstance(error, StoreError) and not session.has_begun):
                self._fault = self._fault or error

    def _say_views(self, stream: AppliedStream) -> None:
        outgoing = [f"{name} until its next version can be read" for name in stream.outgoing]
        views = ", ".join([*stream.views, *outgoing]) or "none: events are logged alone"
        self._listener.say(stream.source.name, f"views {views}")
        for name in stream.left_out:
            self._listener.say(
                stream.source.name,
                f"{name} is not kept online: its source reads events in another way than it does now",
            )

    def _follow(self) -> None:
        """Have sessions go on by what is applied; as long as the registry is away they go on as they do."""
        try:
            streams = self._registry.read()
        except FeaturectlError as error:
            if error.message != self._registry_problem:
                self._registry_problem = error.message
                self._listener.say("registry", f"is not followed: {error.message}")
            return
        if self._registry_problem:
            self._registry_problem = ""
            self._listener.say("registry", "is followed again")
        for name, session in self._sessions.items():
            stream = streams.get(name)
            if stream is None:
                if self._threads[name].is_alive():
                    self._listener.say(name, "is applied no more: its work ends")
                    session.stop()
            elif session.follow(stream):
                self._say_views(stream)
        if not self._request.sources and not self._request.once:
            for name, stream in streams.items():
                if name not in self._sessions or not self._threads[name].is_alive():
                    self._begin(stream)
