"""What a client sends events with: checked as workers check them, and acknowledged by the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from featurectl.registry.state import State

EventValues = Mapping[str, object]  # the columns of an event, by their names


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSending:
    """Events to send to a source, as it is in a state of the registry.

    With an `idempotency_key` once, however often they are sent; `sync`: workers are waited for.
    """

    state: State = field(repr=False)
    source: str
    events: Sequence[EventValues]
    idempotency_key: str | None = None
    sync: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedEvents:
    """How many `events` the broker has. `repeated`: an earlier call with the same key has sent them.

    `applied`: whatever reads features from now on has them; False: not in time; None: that was not waited for.
    """

    events: int
    repeated: bool = False
    applied: bool | None = None


class EventSender(Protocol):
    """Sends events for clients of either kind."""

    def send(self, sending: EventSending) -> AcknowledgedEvents:
        """Return what was sent, once the broker has all of it.

        Raises:
            UsageError: there is no such stream, or the key was used for other events.
            DataError: FC504, workers would reject an event; none is sent.
            TryAgainError: another call with the key is under way.
            StoreError: the broker, or the store of keys, does not take them in time.
        """

    async def send_beside(self, sending: EventSending) -> AcknowledgedEvents:
        """Return the same, while the event loop goes on."""

    def close(self) -> None:
        """Send nothing more, and close what was opened."""


OpenEventSender = Callable[[], EventSender]
