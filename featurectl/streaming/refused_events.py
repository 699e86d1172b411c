"""Events that the online store refuses, each found among those that it was given together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from featurectl.core.errors import RefusedDataError
from featurectl.online.stream_state.base import GenerationCut
from featurectl.streaming.event_checks import REFUSED
from featurectl.streaming.read_events import RejectedEvent, StampedBatch
from featurectl.streaming.topics.base import MessageBatch
from featurectl.streaming.view_records import StampedEvent

WrittenEvents = tuple[Sequence[StampedEvent], Sequence[GenerationCut]]  # and the generations whose lists they go to


def write_apart(
    messages: MessageBatch,
    generations: Sequence[GenerationCut],
    batch: StampedBatch,
    write: Callable[[Sequence[WrittenEvents]], None],
) -> StampedBatch:
    """Write the events of a batch by halves, down to the ones that the store refuses: those are rejected.

    Raises:
        StoreError: the store fails in another way.
    """
    refused: dict[int, str] = {}
    waiting: list[Sequence[StampedEvent]] = [batch.events] if batch.events else []
    while waiting:
        events = waiting.pop()
        try:
            write([(events, generations)])
        except RefusedDataError as error:
            if len(events) == 1:
                refused[events[0].offset] = error.message
            else:
                half = len(events) // 2
                waiting += [events[half:], events[:half]]
    values = dict(zip(messages.offsets, messages.values, strict=True))
    rejected = [
        RejectedEvent(event.offset, event.available_us, REFUSED + refused[event.offset], "", values[event.offset])
        for event in batch.events
        if event.offset in refused
    ]
    return StampedBatch(
        events=[event for event in batch.events if event.offset not in refused],
        rejected=sorted([*batch.rejected, *rejected]),
        erased=batch.erased,
        left_out=batch.left_out,
    )
