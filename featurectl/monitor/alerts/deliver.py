"""Send what waits in the outbox: each message by one sender at a time, in order, again until it is taken.

A sender holds a lease on a message. One that dies between sending and marking has sent it; when its lease is over the
message is sent once more, with the same key and the same ID.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.notifiers.base import IncidentMessage, NotifierChannel, NotSentError, load_message
from featurectl.registry.alert_state import AlertLedger, Delivery, first_of_each, silence_of

LEASE_S: Final = 120.0  # well longer than any notifier takes
GIVE_UP: Final = timedelta(days=1)
_FIRST_S: Final = 2.0
_LONGEST_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """How one try ended; `unset` is the error of a variable that is not set, `down` whether to try no more now.

    `rests`: the notifier has asked that nothing is sent to it before the message is due again.
    """

    delivery: Delivery
    rests: bool = False
    unset: UsageError | None = None
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverer:
    """Sends the messages of a ledger. `open_notifier` returns the notifier of a name.

    It raises `UsageError` where a variable of its address is not set, `NotSentError` where there is none of the name.
    Once `stopped` says so, no other message is begun. What is silenced at `now`, the instant of alerts, waits.
    """

    ledger: AlertLedger
    now: datetime
    open_notifier: Callable[[str], NotifierChannel]
    jitter: Callable[[], float] = field(default_factory=lambda: random.Random(secrets.randbits(64)).random)  # noqa: S311  # no secret
    stopped: Callable[[], bool] = field(default=lambda: False)

    def deliver(self) -> Iterator[DeliveryAttempt]:
        """Send every message that is due, and yield how each try ended.

        Of a notifier that does not answer the other messages wait until the next time: they hold up nobody else's.

        Raises:
            StoreError: the registry can't be reached.
        """
        down: set[str] = set()
        while not self.stopped() and (claimed := self.ledger.claim(LEASE_S, self._held(down))) is not None:
            sent = self._try(claimed)
            self.ledger.settle(sent.delivery)
            if sent.rests:
                self.ledger.postpone(claimed.notifier, sent.delivery.due_at)
            if sent.down:
                down.add(claimed.notifier)
            yield sent

    def due_s(self) -> float | None:
        """Return in how many seconds a message is due that may be sent; None when none waits.

        Raises:
            StoreError: the registry can't be reached.
        """
        held, now = self._held(()), self.ledger.now()
        waiting = [d for d in first_of_each(self.ledger.load_deliveries(["waiting"])) if not held(d)]
        due = [(max(d.due_at, d.lease_until or d.due_at) - now).total_seconds() for d in waiting]
        return min(due, default=None)

    def _held(self, down: Collection[str]) -> Callable[[Delivery], bool]:
        """Return which messages are not to be sent: to notifiers that are down, and what is silenced by now."""
        silences = self.ledger.load_silences()
        return lambda d: d.notifier in down or silence_of(silences, d, d.subjects, self.now) is not None

    def _try(self, delivery: Delivery) -> DeliveryAttempt:
        tried = replace(delivery, attempts=delivery.attempts + 1)
        try:
            self.open_notifier(delivery.notifier).send(_message(delivery))
        except UsageError as error:
            return DeliveryAttempt(delivery=self._waiting(tried, error.message, None), unset=error, down=True)
        except NotSentError as error:
            if error.again:
                waiting, rests = self._waiting(tried, error.message, error.after_s), error.after_s is not None
                return DeliveryAttempt(delivery=waiting, rests=rests, down=error.down)
            return DeliveryAttempt(delivery=replace(tried, state="failed", error=error.message))
        return DeliveryAttempt(delivery=replace(tried, state="sent", error=""))

    def _waiting(self, delivery: Delivery, error: str, after_s: float | None) -> Delivery:
        """Return a message that is to be tried again: after a time that doubles, or as long as the other side says."""
        now = self.ledger.now()
        if now - self._waits_since(delivery) >= GIVE_UP:
            return replace(delivery, state="failed", error=f"{error}; given up after {delivery.attempts} tries")
        wait_s = max(back_off_s(delivery.attempts, self.jitter()), after_s or 0.0)
        return replace(delivery, due_at=now + timedelta(seconds=wait_s), error=error)

    def _waits_since(self, delivery: Delivery) -> datetime:
        """Return from when on a message could be sent: after the silences that held it."""
        names = (delivery.root_cause, *delivery.subjects)
        ends = [s.until for s in self.ledger.load_silences() if any(s.is_about(delivery.alert, n) for n in names)]
        return max([delivery.created_at, *(end for end in ends if end <= self.now)])


def back_off_s(attempts: int, jitter: float) -> float:
    """Return the seconds to wait after so many tries, drawn between half and all of a time that doubles.

    >>> [back_off_s(n, 1.0) for n in (1, 2, 3, 20)], back_off_s(1, 0.0)
    ([2.0, 4.0, 8.0, 600.0], 1.0)
    """
    longest = min(_FIRST_S * 2.0 ** min(attempts - 1, 30), _LONGEST_S)
    return longest * (0.5 + 0.5 * jitter)


def _message(delivery: Delivery) -> IncidentMessage:
    return load_message(delivery.message)
