"""Whatever the kind of a topic, a worker's place comes after the messages that it has seen, and these are compared."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from featurectl.streaming.compared_messages import ComparedMessages
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.partition_start import PartitionReading
from featurectl.streaming.topics.base import TopicBroker
from featurectl.streaming.topics.faults import OtherMessageError
from tests.streaming.test_compared_messages import EVENT, SOURCE, logged_of
from tests.streaming.topics.reading import SHORT, reading, wait_until


def message(number: int) -> bytes:
    return json.dumps({**EVENT, "n": number}).encode()


class Begun:
    """Reads a topic of 6 messages from a place on, whose messages 1 to 3 were logged, perhaps as others."""

    def __init__(self, broker: TopicBroker, topic: str, place: int, changed: int = -1) -> None:
        broker.create(topic, 1)
        with closing(broker.open_writer(topic)) as writer:
            writer.send([(b"c", message(number)) for number in range(6)])
            writer.flush()
        with reading(broker, topic) as found:
            wait_until(lambda: found.take() is not None and len(found.messages.get(0, [])) == 6)
        self.offsets = [offset for offset, *_ in found.messages[0]]
        rows = [logged_of(SOURCE, message(-1 if each == changed else each)) for each in (1, 2, 3)]
        last = rows[0].vstack(rows[1]).vstack(rows[2]).drop("_available_at")
        last = last.with_columns(_offset=last.select("_offset").to_series().scatter([0, 1, 2], self.offsets[1:4]))
        self.reader = broker.open_reader(topic)
        self.compared = ComparedMessages(self.reader, SOURCE, EventDecoder(SOURCE))
        begin = self.offsets[place] if place < 6 else self.offsets[5] + 1
        self.begun = PartitionReading(name=f"{topic}/0#1", number=0, position=begin, last_logged=last)
        self.compared.begin(0, self.begun)
        self.found: list[int] = []

    def take(self) -> list[int]:
        delivery = self.compared.take(SHORT)
        for batch in delivery.batches:
            assert batch.first == self.begun.position
            assert len(batch.offsets) == len(batch.values) == len(batch.keys) == len(batch.sent_at_us)
            self.begun.position = batch.end
            self.found += [json.loads(value)["n"] for value in batch.values]
        return self.found


@pytest.mark.parametrize("place", [0, 2, 4, 6])
def test_messages_come_from_the_place_on(broker: TopicBroker, topic: str, place: int):
    begun = Begun(broker, topic, place)
    with closing(begun.reader):
        wait_until(lambda: (len(begun.take()), begun.compared.is_under_way) == (6 - place, False))
        assert begun.found == [*range(place, 6)]
        is_counted = [offset - begun.offsets[0] for offset in begun.offsets] == [*range(6)]
        assert is_counted or broker.offsets_are_times


def test_another_message_is_told_before_any_is_given(broker: TopicBroker, topic: str):
    begun = Begun(broker, topic, 0, changed=2)
    with closing(begun.reader):
        with pytest.raises(OtherMessageError, match=f"another event at offset {begun.offsets[2]} than was logged: n"):
            wait_until(lambda: len(begun.take()) == 6)
        assert begun.found == []


def test_messages_that_are_gone_are_not_waited_for(broker: TopicBroker, topic: str):
    begun = Begun(broker, topic, 6)
    with closing(begun.reader):
        begun.begun.position = begun.offsets[5] + 1
        begun.reader.seek(0, begun.begun.position)  # where nothing is any more, as after a removal
        wait_until(lambda: begun.take() == [] and not begun.compared.is_under_way)
