"""Send the events of a file, or of a pipe, to the topic of a stream that is applied."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError
from featurectl.core.units import counted
from featurectl.core.variables import shown_location
from featurectl.language.stream_places import check_streams_run, topic_address
from featurectl.streaming.event_rows import EventFile, TimedRecords, read_lines
from featurectl.streaming.send import SendClock, SendPace, SendReport, send_events
from featurectl.streaming.session.applied_streams import chosen_streams
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.first_use import open_topic

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.streaming.topics.base import TopicWriter
    from featurectl.workspace.workspace import Workspace

_SENT_FORMAT: Final = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """What is sent to the topic of `source`: the rows of `file`, or lines of JSON that `chunks` has (None: a file)."""

    source: str
    pace: SendPace
    file: Path | None = None
    chunks: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEvents:
    """What the broker at `shown` has taken for a topic; `untimed` rows of a file had no event time, and stayed.

    Workers reject `ahead` of those that were sent: they are dated too far ahead of the clock.
    """

    source: str
    topic: str
    shown: str
    report: SendReport
    untimed: int
    ahead: int


def send_to_topic(workspace: Workspace, request: SendRequest, progress: Progress) -> SentEvents:
    """Return what was sent of some events, in the order of their event times; a pipe's go as they come.

    A topic that is not there is made in SQLite and Redis, with as many partitions as `first_use` says.

    Raises:
        UsageError: there is no such stream, it is none of JSON, or the environment has a fixed clock.
        DataError: FC501 to FC504, the file or a line is none of the source; what came before is sent, and reported.
        StoreError: the broker does not take them; what it took is reported.
    """
    source = chosen_streams(workspace.applied_state(), [request.source])[request.source].source
    check_streams_run(workspace.environment)
    assert source.stream is not None
    if source.stream.format != _SENT_FORMAT:
        message = f"source {source.name} reads {source.stream.format}, and featurectl sends {_SENT_FORMAT}"
        raise UsageError(message, hint="send these events with a producer of your own")
    file = EventFile(source=source, path=request.file) if request.file is not None else None
    url = workspace.topic_url(source)
    with closing(open_topics(url, shown_location(topic_address(source, workspace.environment)))) as broker:
        topic = open_topic(broker, url, source.stream.topic).topic
        with closing(broker.open_writer(topic)) as writer:
            sender = _Sender(progress, topic)
            batches = read_lines(source, request.chunks) if file is None else file.read()
            report = sender.send(batches, writer, request.pace)
        return SentEvents(
            source=source.name,
            topic=topic,
            shown=broker.shown,
            report=report,
            untimed=0 if file is None else file.untimed,
            ahead=sender.ahead,
        )


class _Sender:
    """Sends events, and reports how far sending is, and where it ends early how many events the broker has."""

    def __init__(self, progress: Progress, topic: str) -> None:
        self._progress, self._topic = progress, topic
        self._sent = 0
        self.ahead = 0

    def send(self, batches: Iterable[TimedRecords], writer: TopicWriter, pace: SendPace) -> SendReport:
        self._progress.start(f"sending to {self._topic}")
        clock = SendClock(now_s=time.monotonic, sleep=time.sleep)
        try:
            report = send_events(self._counted(batches), writer, pace, clock, self._hear)
        except BaseException:
            text = f"{counted(self._sent, 'event')} sent to {self._topic} before it ended"
            self._progress.done(text if self._sent else "")
            raise
        self._progress.done("")
        return report

    def _counted(self, batches: Iterable[TimedRecords]) -> Iterator[TimedRecords]:
        for batch in batches:
            self.ahead += batch.ahead
            yield batch

    def _hear(self, report: SendReport) -> None:
        self._sent = report.sent
        self._progress.advance(report.sent, None, "events")
