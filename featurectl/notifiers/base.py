"""What every notifier can do, and what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from featurectl.core.errors import FeaturectlError
from featurectl.core.variables import expand


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMessage:
    """What is sent of one incident of an alert. Instants are ISO 8601, `value` and `condition` as people read them.

    `measured` is the value for machines: a length of time in seconds, a share of 1.

    `key` is the same for every message of the incident. `id` is that of this message, the same at every try.
    """

    id: str
    key: str
    kind: Literal["firing", "repeat", "resolved"]
    project: str
    environment: str
    alert: str
    subject: str
    severity: Literal["info", "warning", "critical"]
    condition: str
    value: str
    measured: float | None
    cause: str
    since: str
    at: str
    look: str

    @property
    def title(self) -> str:
        """One line: "FIRING critical: stale (view:delays@1) in prod"."""
        word = {"firing": "FIRING", "repeat": "STILL FIRING", "resolved": "RESOLVED"}[self.kind]
        return f"{word} {self.severity}: {self.alert} ({self.subject}) in {self.environment}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The rest, as pairs of a name and a text."""
        pairs = [
            ("cause", self.cause),
            ("value", self.value),
            ("threshold", self.condition),
            ("since", self.since),
            ("environment", f"{self.environment} of {self.project}"),
            ("look further", self.look),
            ("key", self.key),
        ]
        return [(name, text) for name, text in pairs if text]

    def to_json(self) -> dict[str, object]:
        """Return the message as JSON."""
        return {"schema_version": 1, **asdict(self)}


def load_message(json: Mapping[str, object]) -> IncidentMessage:
    """Return the message that `to_json` has made JSON of."""
    return IncidentMessage(**{key: value for key, value in json.items() if key != "schema_version"})  # type: ignore[arg-type]  # its own JSON


class NotSentError(FeaturectlError):
    """A message was not taken. `again`: it may be later, not before `after_s` seconds where the other side says so.

    `down`: nobody answered; another message would only wait as long.
    """

    def __init__(self, message: str, *, again: bool, after_s: float | None = None, down: bool = False) -> None:
        super().__init__(message)
        self.again = again
        self.down = down
        self.after_s = after_s


def reason_of(error: object) -> str:
    """Return what an error says, without what it may hold of an address.

    >>> reason_of(ConnectionRefusedError(111, "Connection refused")), reason_of(TimeoutError("timed out"))
    ('Connection refused', 'it took too long')
    """
    if isinstance(error, TimeoutError):
        return "it took too long"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


class NotifierChannel(Protocol):
    """One way to one address."""

    def send(self, message: IncidentMessage) -> None:
        """Send a message.

        Raises:
            NotSentError: it was not taken; the text holds nothing of the address.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """What a channel is opened with: the address as it is written, the variables in it, where commands run.

    `place` names the notifier in errors.
    """

    address: str
    environ: Mapping[str, str]
    root: Path
    place: str

    def expanded(self) -> str:
        """Return the address with its variables filled in.

        Raises:
            UsageError: one is not set.
        """
        return expand(self.address, self.environ, self.place)
