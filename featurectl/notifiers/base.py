"""What every notifier can do, and what it sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from featurectl.core.errors import FeaturectlError
from featurectl.core.variables import expand

_MOST_SUBJECTS: Final = 20  # of a message as people read it


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSubject:
    """One of the views, models or features that an incident is about, with its own value and cause."""

    name: str
    value: str
    measured: float | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMessage:
    """What is sent of one incident of an alert, or of the end of a stage.

    Instants are ISO 8601, `value` and `condition` as people read them. `subject` is the root cause that the incident is
    of, `subjects` what it affects, the worst first; `value` and `cause` are those of the worst. `measured` is the value
    for machines: a length of time in seconds, a share of 1.

    Of a stage `alert` is its pipeline, `subject` its name, `condition` how it ended, `cause` what it wrote last,
    `value` how long it took, `since` the start of the run, and `look` the command that goes on with the run.

    `key` is the same for every message of the incident. `id` is that of this message, the same at every try.
    """

    id: str
    key: str
    kind: Literal["firing", "repeat", "resolved", "test", "failed", "succeeded"]
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
    subjects: tuple[MessageSubject, ...] = ()

    @property
    def title(self) -> str:
        """One line: "FIRING critical: stale (source:arrivals: 6 subjects) in prod"."""
        if self.is_of_a_stage:
            return f"{self.kind.upper()}: stage {self.subject} of pipeline {self.alert} in {self.environment}"
        word = {"firing": "FIRING", "repeat": "STILL FIRING", "resolved": "RESOLVED", "test": "TEST"}[self.kind]
        about = describe_incident(self.subject, [subject.name for subject in self.subjects])
        return f"{word} {self.severity}: {self.alert} ({about}) in {self.environment}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The rest, as pairs of a name and a text."""
        if self.is_of_a_stage:
            return self._of_a_stage()
        pairs = [
            ("cause", self.cause),
            ("affected", self._affected()),
            ("value", self.value),
            ("threshold", self.condition),
            ("since", self.since),
            ("environment", f"{self.environment} of {self.project}"),
            ("look further", self.look),
            ("key", self.key),
        ]
        return [(name, text) for name, text in pairs if text]

    def _of_a_stage(self) -> list[tuple[str, str]]:
        pairs = [
            ("ended with", self.condition),
            ("last lines", self.cause),
            ("took", self.value),
            ("environment", f"{self.environment} of {self.project}"),
            ("run", self.look),
            ("key", self.key),
        ]
        return [(name, text) for name, text in pairs if text]

    @property
    def is_of_a_stage(self) -> bool:
        """True when it is of a stage of a pipeline, not of an alert."""
        return self.kind in ("failed", "succeeded")

    def _affected(self) -> str:
        """Return what is affected with its values, where that is anything but what the message is about."""
        shown = [f"{subject.name} {subject.value}" for subject in self.subjects[:_MOST_SUBJECTS]]
        more = len(self.subjects) - len(shown)
        return "" if self._is_of_itself() else ", ".join(shown) + (f" and {more} more" if more > 0 else "")

    def _is_of_itself(self) -> bool:
        return [subject.name for subject in self.subjects] in ([], [self.subject])

    def to_json(self) -> dict[str, object]:
        """Return the message as JSON."""
        return {"schema_version": 2, **asdict(self)}


def load_message(json: Mapping[str, Any]) -> IncidentMessage:
    """Return the message that `to_json` has made JSON of, in this or an older version."""
    fields = {key: value for key, value in json.items() if key != "schema_version"}
    subjects = tuple(MessageSubject(**subject) for subject in fields.pop("subjects", ()))
    return IncidentMessage(**fields, subjects=subjects)


def describe_incident(root_cause: str, subjects: Sequence[str]) -> str:
    """Return what an incident is about, in a few words.

    >>> describe_incident("source:arrivals", ["view:delays@1", "view:late@1"])
    'source:arrivals: 2 subjects'
    >>> describe_incident("model:late", ["model:late:origin"]), describe_incident("view:late@1", ["view:late@1"])
    ('model:late:origin', 'view:late@1')
    >>> describe_incident("source:arrivals", ["view:delays@1"])
    'source:arrivals: view:delays@1'
    """
    if len(subjects) > 1:
        return f"{root_cause}: {len(subjects)} subjects"
    if subjects and not subjects[0].startswith(root_cause):
        return f"{root_cause}: {subjects[0]}"
    return subjects[0] if subjects else root_cause


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

    def send(self, message: IncidentMessage) -> str:
        """Send a message, and return in words what came back.

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
