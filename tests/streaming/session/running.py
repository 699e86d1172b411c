"""A run of streams in a thread of its own, and what it said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from featurectl.streaming.predictions import PredictorFactory
from featurectl.streaming.session.process_run import ProcessRun, StreamRunRequest
from featurectl.streaming.session.source_report import SourceReport
from featurectl.workspace.workspace import Workspace
from tests.streaming.session.swipes import LIMIT_S, Swipes


@dataclass(kw_only=True)
class Running:
    """What a run has said and reported, and what has ended it."""

    said: list[str] = field(default_factory=list)
    reports: Sequence[SourceReport] = ()
    fault: BaseException | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def say(self, source: str, text: str) -> None:
        """Take note of a line."""
        self.said.append(f"{source}: {text}")

    def report(self, reports: Sequence[SourceReport]) -> None:
        """Take note of how far it is."""
        self.reports = reports

    def has_said(self, text: str) -> bool:
        """Return whether a line had a text in it."""
        return any(text in line for line in self.said)


def running(swipes: Swipes, *sources: str) -> AbstractContextManager[Running]:
    """Let streams be worked on; the end of it must be in order."""
    return running_in(swipes.workspace, *sources)


@contextmanager
def running_in(
    opened: Callable[[], Workspace], *sources: str, predictors: PredictorFactory | None = None
) -> Iterator[Running]:
    """Let streams of a workspace be worked on; the end of it must be in order."""
    found = Running()

    def run() -> None:
        try:
            with opened() as workspace:
                request = StreamRunRequest(sources=sources, follow_s=0.2, predictors=predictors)
                ProcessRun(workspace, request, found).run(found.stop)
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            found.fault = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert found.fault is None, found.said
