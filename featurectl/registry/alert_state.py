"""What a registry keeps of alerts: the state of each, what is to be sent, and what is silenced. Pure data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal, Protocol

from featurectl.language.definitions.alerts import AlertSeverity

AlertStatus = Literal["ok", "pending", "firing", "resolved"]
MessageKind = Literal["firing", "repeat", "resolved"]
DeliveryState = Literal["waiting", "sent", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedSubject:
    """What an alert's condition holds for, with the value that was seen of it and why it is so."""

    name: str
    value: float | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """Where one alert stands with one root cause: "source:NAME", "view:NAME@V", "model:NAME" or "store:ENV".

    `subjects` are those for which the condition holds by this cause, the worst first; of an incident that is over, its
    last ones. `incident` is the number of the last one and `began` when it began, `since` the instant from which the
    condition holds, `notified` whom this incident's message went to and when last. `severity` and `condition` are the
    alert's at the last look, `error` says why it could not be observed then ("": it could). `revision` grows with each
    write.
    """

    alert: str
    root_cause: str
    subjects: tuple[AffectedSubject, ...] = ()
    severity: AlertSeverity = "info"
    condition: str = ""
    status: AlertStatus = "ok"
    incident: int = 0
    began: datetime | None = None
    since: datetime | None = None
    changed_at: datetime | None = None
    notified: Mapping[str, datetime] = field(default_factory=dict)
    value: float | None = None
    cause: str = ""
    error: str = ""
    revision: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the condition holds for its subjects."""
        return self.status in ("pending", "firing")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its subjects."""
        return tuple(subject.name for subject in self.subjects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to one notifier, in the order of its `number`; `id` is the same in every registry and every try.

    `subjects` are the names of those that it is about. `message` is what is sent, as JSON. It is due at `due_at`, by
    the real clock; `lease` is that of who sends it now, `lease_until` when that ends, or when the last one did.
    """

    id: str
    alert: str
    root_cause: str
    notifier: str
    kind: MessageKind
    message: Mapping[str, object]
    created_at: datetime
    due_at: datetime
    subjects: tuple[str, ...] = ()
    state: DeliveryState = "waiting"
    attempts: int = 0
    error: str = ""
    number: int = 0
    lease: str = ""
    lease_until: datetime | None = None


def first_of_each(waiting: Iterable[Delivery]) -> Iterator[Delivery]:
    """Give the first message of each alert, root cause and notifier: the others wait for it."""
    seen = set()
    for delivery in waiting:
        of = (delivery.alert, delivery.root_cause, delivery.notifier)
        if of not in seen:
            seen.add(of)
            yield delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Alerts of a pattern, about subjects or root causes of another, are sent to nobody until an instant."""

    id: str
    alert: str
    until: datetime
    who: str
    created_at: datetime
    subject: str = "*"
    reason: str = ""

    def covers(self, alert: str, subject: str, now: datetime) -> bool:
        """Return whether it is about this alert and subject or root cause, and not over."""
        return now < self.until and self.is_about(alert, subject)

    def is_about(self, alert: str, subject: str) -> bool:
        """Return whether it is about this alert and subject, over or not."""
        return fnmatchcase(alert, self.alert) and fnmatchcase(subject, self.subject)


def silence_of(
    silences: Iterable[Silence], of: AlertState | Delivery, names: Collection[str], now: datetime
) -> Silence | None:
    """Return what keeps a root cause with subjects of these names from being sent; None: nothing does.

    A silence of the cause does; so do those of subjects where each has one, and of them the first that ends.
    """
    open_ones = sorted((s for s in silences if now < s.until), key=lambda s: s.until, reverse=True)
    of_cause = next((s for s in open_ones if s.is_about(of.alert, of.root_cause)), None)
    if of_cause is not None or not names:
        return of_cause
    found = [next((s for s in open_ones if s.is_about(of.alert, name)), None) for name in names]
    covering = [silence for silence in found if silence is not None]
    return min(covering, key=lambda s: s.until) if len(covering) == len(found) else None


def new_silence_id() -> str:
    """Return an ID that no other silence has."""
    return uuid.uuid4().hex[:8]


class AlertLedger(Protocol):
    """The states, messages and silences of a project's environment. `StoreError` when it can't be reached."""

    def load_states(self) -> Sequence[AlertState]:
        """Return every state, by alert and root cause."""

    def write_state(
        self, before: AlertState, after: AlertState, deliveries: Sequence[Delivery], *, withdraw: bool = False
    ) -> bool:
        """Write a state and the messages that it causes in one transaction, unless it is no longer as `before`.

        Return whether it was written; the revision is counted here. A repeat is left out where an earlier message of
        its incident waits still. `withdraw`: what waits to say that it fires, and was never tried, is removed; whom it
        would have reached first is not among those who were notified.
        """

    def load_deliveries(self, states: Sequence[DeliveryState] = ("waiting", "failed")) -> Sequence[Delivery]:
        """Return the messages in these states, in their order."""

    def claim(self, lease_s: float, held: Callable[[Delivery], bool] = lambda _: False) -> Delivery | None:
        """Return the next message that is due and nobody sends, leased to the caller; None when there is none.

        Messages about one alert and root cause go to a notifier one after the other. Those that are `held` stay.
        """

    def settle(self, delivery: Delivery) -> bool:
        """Write how a try ended and give the lease back; False when it is another's by now, which changes nothing.

        One that was sent or given up takes the place of those given up before it, about the same and to the same.
        """

    def revive(self, delivery: Delivery) -> bool:
        """Let a message that was given up wait again, due at once and for as long as a new one; False when it does."""

    def postpone(self, notifier: str, until: datetime) -> None:
        """Let no message to a notifier be due before an instant: so it has asked."""

    def forget(self, after: timedelta, keep: Collection[str] = ()) -> None:
        """Remove the messages that were sent or given up so long ago, but for those whose ID is in `keep`."""

    def now(self) -> datetime:
        """Return the time by which leases run."""

    def load_silences(self) -> Sequence[Silence]:
        """Return every silence, those that are over too, oldest first."""

    def write_silence(self, silence: Silence) -> None:
        """Write a silence, over one of its ID."""
