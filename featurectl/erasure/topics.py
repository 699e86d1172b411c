"""Events of erased keys in topics: they leave those in files, and of others it is said how long they stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from featurectl.core.units import format_duration, instant_us
from featurectl.core.variables import shown_location
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.stream_logs import UnclearEvents, cut_erasures, erased_streams, known_keys_of
from featurectl.language.stream_places import topic_address
from featurectl.streaming.topics.faults import NoTopicError

_EVER_US: Final = 2**62  # of a message of which nobody wrote down when it was sent: its event time says

if TYPE_CHECKING:
    from featurectl.streaming.session.applied_streams import AppliedStream


class TopicsPlace:
    """The topics of streams: of those in SQLite the events are removed, and their offsets stay."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many events there are, and which topics can't be cleaned."""
        return [*_findings(request, dry_run=True)]

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove them where that can be done."""
        return [*_findings(request, dry_run=False)]


def _findings(request: ErasureRequest, *, dry_run: bool) -> Iterator[PlaceFindings]:
    from featurectl.streaming.topics.all_topic_kinds import open_topics

    workspace = request.target.workspace
    for stream in erased_streams(request):
        source = stream.source
        assert source.stream is not None
        if not (source.stream.url or workspace.environment.streams):
            continue  # nothing says where topics are, so that there are none
        shown = shown_location(topic_address(source, workspace.environment))
        with closing(open_topics(workspace.topic_url(source), shown)) as broker, suppress(NoTopicError):
            topic = source.stream.topic
            choice = _TopicChoice(request, stream)
            removed = broker.remove_messages(topic, choice.is_erased, dry_run=dry_run)
            place = f"topic {topic} of stream {source.name}"
            if removed is None:
                kept = format_duration(source.stream.retention_us)
                note = (
                    f"its messages stay for its retention ({kept} by the source's definition); workers leave them out"
                )
                yield PlaceFindings(place=place, rows=0, what="events", notes=(note,))
            elif removed or choice.unclear:
                yield choice.finding(place, removed)


class _TopicChoice:
    """Chooses the messages of erased keys: by their event time, or when they were sent.

    They are of a key that is theirs, or that of the message. What is found by a known key's text alone has no event
    time, and goes whenever it was sent. `unclear` counts those that such a text may find of an erasure that was cut.
    """

    def __init__(self, request: ErasureRequest, stream: AppliedStream) -> None:
        from featurectl.streaming.erased_events import ErasedEvents
        from featurectl.streaming.event_decoder import EventDecoder

        source = stream.source
        self._columns = source.stream.key if source.stream is not None else ()
        self._events, self._known = ErasedEvents(stream.erased, EventDecoder(source)), known_keys_of(request, stream)
        self._cut = cut_erasures(request, stream)
        self._cut_us = max((instant_us(item.at) for item in self._cut), default=-_EVER_US)
        self.unclear = 0

    def is_erased(self, key: bytes | None, value: bytes, sent_at_us: int | None) -> bool:
        """Return whether a message is to go."""
        stamp_us = _EVER_US if sent_at_us is None else sent_at_us
        if key is not None and self._events.has_message_key(key, self._columns, value, stamp_us):
            return True
        if self._events.has_bytes(value, stamp_us, self._known):
            return True
        if self._cut and (sent_at_us is None or sent_at_us <= self._cut_us) and self._events.is_unclear(value):
            self.unclear += 1
        return False

    def finding(self, place: str, removed: int) -> PlaceFindings:
        """Return what was removed, with what may be left."""
        if not self.unclear:
            return PlaceFindings(place=place, rows=removed, what="events")
        left = UnclearEvents(events=self.unclear, erasures=frozenset(item.number for item in self._cut))
        return PlaceFindings(place=place, rows=removed, what="events", notes=(left.note,), unfinished=left.erasures)
