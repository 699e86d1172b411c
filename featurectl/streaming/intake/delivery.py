"""Events of requests are given to the broker; a request with an idempotency key is carried out once.

What becomes of one whose process dies between the broker's answer and the note of it is not known: after a minute its
key may be used again, and its events lie in the topic twice then. `dedup_key` of the source makes that harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from featurectl.core.errors import FeaturectlError, NoAnswerError, StoreError, TryAgainError, UsageError
from featurectl.core.variables import shown_location
from featurectl.language.definitions.source import Source
from featurectl.language.stream_places import topic_address
from featurectl.online.request_keys import KeyClaim, RequestKey, RequestKeys
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Record, TopicBroker, TopicWriter
from featurectl.streaming.topics.faults import MessageTooLargeError
from featurectl.streaming.topics.first_use import open_topic
from featurectl.workspace.workspace import Workspace

MOST_TOGETHER: Final = 2_000  # events, so that Redis and SQLite take them by one step of theirs
SIZE_TOGETHER: Final = 3 << 20  # bytes


class KeyReusedError(UsageError):
    """An idempotency key was used before, for other events."""


class KeyBusyError(TryAgainError):
    """A request with this idempotency key is under way, or died less than a minute ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRequest:
    """Messages that are sent together; with a `key` once. `size` is in bytes."""

    records: Sequence[Record]
    key: RequestKey | None = None
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredEvents:
    """How many events the broker has. `repeated`: an earlier request with this key has sent them, and this one none."""

    events: int
    repeated: bool = False


DeliveryResult = DeliveredEvents | FeaturectlError


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakePlace:
    """Where events of a source go: how its topic and the keys of requests are opened; both are used by one thread."""

    stream: StreamSource
    topic: str
    open_broker: Callable[[], TopicBroker]
    open_keys: Callable[[], RequestKeys]
    url: str = field(repr=False)


def place_of(workspace: Workspace, source: Source, limit_s: float) -> IntakePlace:
    """Return where events of a source go; broker and store answer within so many seconds.

    Raises:
        UsageError: nothing says where topics are.
    """
    assert source.stream is not None
    url = workspace.topic_url(source)
    shown = shown_location(topic_address(source, workspace.environment))
    return IntakePlace(
        stream=StreamSource(project=workspace.project, env=workspace.environment.name, source=source.name),
        topic=source.stream.topic,
        open_broker=lambda: open_topics(url, shown, limit_s),
        open_keys=lambda: workspace.request_keys(limit_s),
        url=url,
    )


class EventDelivery:
    """Sends the events of requests to one topic; of one thread."""

    def __init__(self, place: IntakePlace, limit_s: float) -> None:
        self._place = place
        self._limit_s = limit_s
        self._broker: TopicBroker | None = None
        self._writer: TopicWriter | None = None
        self._keys: RequestKeys | None = None

    def deliver(self, requests: Sequence[EventRequest]) -> list[DeliveryResult]:
        """Return what became of each request; those without a key come first, and wait for no store."""
        results: dict[int, DeliveryResult] = {}
        plain = {place: request for place, request in enumerate(requests) if request.key is None}
        self._send_all(plain, results)
        keyed = {place: (request, request.key) for place, request in enumerate(requests) if request.key is not None}
        if keyed:
            self._deliver_once(keyed, results)
        return [results[place] for place in range(len(requests))]

    def close(self) -> None:
        """Close the connections; what is under way is not."""
        with suppress(FeaturectlError):
            for opened in (self._writer, self._broker, self._keys):
                if opened is not None:
                    opened.close()
        self._writer = self._broker = self._keys = None

    def _deliver_once(
        self, keyed: Mapping[int, tuple[EventRequest, RequestKey]], results: dict[int, DeliveryResult]
    ) -> None:
        try:
            claims = self._opened_keys().claim(self._place.stream, [key for _, key in keyed.values()])
        except FeaturectlError as error:
            results.update(dict.fromkeys(keyed, error))
            return
        new: dict[int, tuple[EventRequest, RequestKey]] = {}
        for (place, pair), claim in zip(keyed.items(), claims, strict=True):
            if claim.status == "new":
                new[place] = pair
            else:
                results[place] = _known(claim)
        self._send_all({place: request for place, (request, _) in new.items()}, results)
        self._note([(key, results[place]) for place, (_, key) in new.items()])

    def _note(self, sent: Sequence[tuple[RequestKey, DeliveryResult]]) -> None:
        """Note what was sent, and give up the claims of the rest. Where that fails they end by themselves."""
        done = [(key, found.events) for key, found in sent if isinstance(found, DeliveredEvents)]
        failed = [key for key, found in sent if not isinstance(found, DeliveredEvents)]
        with suppress(StoreError):
            if done:
                self._opened_keys().settle(self._place.stream, [key for key, _ in done], [count for _, count in done])
            if failed:
                self._opened_keys().release(self._place.stream, failed)

    def _send_all(self, requests: Mapping[int, EventRequest], results: dict[int, DeliveryResult]) -> None:
        silent: NoAnswerError | None = None  # then the next ones would wait as long
        for some in _together(requests):
            if silent is not None:
                results.update(dict.fromkeys(some, silent))
                continue
            try:
                self._send([record for request in some.values() for record in request.records])
            except MessageTooLargeError as error:
                results.update(_without_too_large(some, error))
            except FeaturectlError as error:
                silent = error if isinstance(error, NoAnswerError) else None
                results.update(dict.fromkeys(some, error))
            else:
                results.update({place: DeliveredEvents(events=len(of.records)) for place, of in some.items()})

    def _send(self, records: Sequence[Record]) -> None:
        try:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.send(records)
            self._writer.flush(self._limit_s)
        except BaseException:
            writer, self._writer = self._writer, None  # the next one finds out anew what the topic is
            if writer is not None:
                with suppress(FeaturectlError):
                    writer.close()
            raise

    def _open_writer(self) -> TopicWriter:
        if self._broker is None:
            self._broker = self._place.open_broker()
        open_topic(self._broker, self._place.url, self._place.topic)
        return self._broker.open_writer(self._place.topic)

    def _opened_keys(self) -> RequestKeys:
        if self._keys is None:
            self._keys = self._place.open_keys()
        return self._keys


def _without_too_large(
    some: Mapping[int, EventRequest], error: MessageTooLargeError
) -> Iterator[tuple[int, DeliveryResult]]:
    """Yield what became of requests that were sent together, some of whose events are too large for the topic."""
    too_large = {*error.records}
    for place, request in some.items():
        own = [record for record in request.records if record in too_large]
        refused = MessageTooLargeError(error.topic, error.shown, own, error.limit)
        yield place, refused if own else DeliveredEvents(events=len(request.records))


def _known(claim: KeyClaim) -> DeliveryResult:
    if claim.status == "done":
        return DeliveredEvents(events=claim.events, repeated=True)
    if claim.status == "busy":
        return KeyBusyError("a request with this idempotency key is under way", hint="ask again in a second")
    return KeyReusedError("this idempotency key was used for other events", hint="a key for each request")


def _together(requests: Mapping[int, EventRequest]) -> Iterator[dict[int, EventRequest]]:
    """Yield requests that are sent by one step; none is parted, but one that is alone larger than such a step."""
    some: dict[int, EventRequest] = {}
    events = size = 0
    for place, request in requests.items():
        events, size = events + len(request.records), size + request.size
        if some and (events > MOST_TOGETHER or size > SIZE_TOGETHER):
            yield some
            some, events, size = {}, len(request.records), request.size
        some[place] = request
    if some:
        yield some
