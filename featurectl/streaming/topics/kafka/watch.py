"""What is wrong with a topic that is read: messages that are gone, another topic of its name, brokers that are away."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final

from confluent_kafka import KafkaError
from confluent_kafka.admin import TopicDescription

from featurectl.core.errors import NoAnswerError, StoreError
from featurectl.streaming.topics.base import TopicState
from featurectl.streaming.topics.faults import NoTopicError, RetentionError, TopicRestartedError
from featurectl.streaming.topics.kafka.address import UNKNOWN_TOPIC, KafkaAddress, kafka_error
from featurectl.streaming.topics.kafka.admin import KafkaAdmin
from featurectl.streaming.topics.kafka.liveness import BrokerLiveness

_TROUBLES: Final = (
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the client's own errors begin so
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
)
_LOOK_S: Final = 5.0  # how often it looks whether the topic is the same


class TopicWatch:
    """Keeps what the client says of a reader's topic until the reader raises it, with its next call."""

    def __init__(self, address: KafkaAddress, state: TopicState) -> None:
        self._address = address
        self._state = state
        self._admin = KafkaAdmin(address)
        self._asked: Future[TopicDescription] | None = None
        self._look_s = time.monotonic() + _LOOK_S
        self._faults: dict[int, StoreError] = {}
        self._failure: StoreError | None = None
        self._trouble: KafkaError | None = None
        self.liveness = BrokerLiveness(state.topic)

    def check(self, active: Mapping[int, int]) -> None:
        """Raise what is wrong with partitions that are to be taken, and with the whole."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        for name in active:
            if name in self._faults:
                raise self._faults[name]
        self._check_topic(active)

    def check_answers(self, active: Iterable[int]) -> None:
        """Raise that brokers do not answer; asked where nothing came."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise kafka_error(self._address, trouble)
        silent_s = min(map(self.liveness.silent_s, active), default=0.0)
        if silent_s > self._address.limit_s:
            raise NoAnswerError(
                f"the topics {self._address.shown} have not answered for {silent_s:.0f} s",
                code="FC606",
                hint="is the broker running, and is `streams:` of the environment its address?",
            )

    def hear(self, partitions: Sequence[int]) -> None:
        """Take notice that something came from some partitions: the trouble that there was is over."""
        if partitions:
            self.liveness.answered(partitions)
            self._trouble = None

    def is_within(self, name: int, position: int) -> bool:
        """Return whether a position, which was none of the offsets of a partition, is one by now; else keep why."""
        marks = self._admin.watermarks(self._state.topic, [name])[name]
        if marks.begin > position:
            self._faults[name] = RetentionError(self._state.topic, name, position, marks.begin)
        elif marks.end < position:
            self._faults[name] = TopicRestartedError(self._state.topic, name, position, marks.end)
        return name not in self._faults

    def fail(self, error: KafkaError) -> None:
        """Take notice of an error that came among the messages."""
        if error.code() in UNKNOWN_TOPIC:
            self._failure = NoTopicError(self._state.topic, self._address.shown)
        else:
            self._failure = kafka_error(self._address, error)

    def forget(self, name: int) -> None:
        """Forget what is wrong with a partition: it is sought elsewhere, or another reader's."""
        self._faults.pop(name, None)

    def on_error(self, error: KafkaError) -> None:
        """Take notice of what the client says of its connections; it tries again by itself."""
        if error.code() in _TROUBLES or error.fatal():
            self._trouble = error

    def _check_topic(self, active: Mapping[int, int]) -> None:
        """Check, each few seconds and without waiting, that the topic is the one that was opened."""
        if not self._state.incarnation or time.monotonic() < self._look_s:
            return
        if self._asked is None:
            self._asked = self._admin.describe(self._state.topic)
        if not self._asked.done():
            return
        asked, self._asked, self._look_s = self._asked, None, time.monotonic() + _LOOK_S
        try:
            is_same = self._admin.state_of(self._state.topic, asked).incarnation == self._state.incarnation
        except NoTopicError:
            is_same = False
        except StoreError:  # who does not answer is noticed elsewhere
            return
        if not is_same:
            self._look_s = 0.0  # as long as nobody opens another reader
            name, position = next(iter(active.items()), (0, 0))
            raise TopicRestartedError(self._state.topic, name, position, None)
