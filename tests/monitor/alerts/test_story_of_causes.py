"""Random stories of several subjects and causes, against a pencil that draws who is affected by what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.monitor.alerts.deliver import LEASE_S, Deliverer
from featurectl.monitor.alerts.evaluate import AlertEvaluator
from featurectl.monitor.alerts.observation import Observation, Observed, RootCause
from featurectl.notifiers.base import NotSentError
from featurectl.registry.sql import SqlRegistry
from tests.monitor.alerts.town import HOUR_US, PLACE, T0, alert

FOR = timedelta(minutes=5)
SUBJECTS = tuple(f"view:v{number}@1" for number in range(4))
CAUSES = ("source:orders", "source:items")
ALERTS = {
    "stays": replace(alert("freshness > 24h"), for_us=5 * 60_000_000, repeat_us=20 * 60_000_000),
    "moves": replace(alert("checks > 0"), for_us=5 * 60_000_000, repeat_us=None),
}
HIGH = {"stays": 25.0 * HOUR_US, "moves": 1.0}


class KilledError(BaseException):
    """The monitor is gone."""


@dataclass
class Pencil:
    """Which subjects each cause affects, since when it affects one, and each incident with those it began with."""

    way: str
    affected: dict = field(default_factory=lambda: {name: set() for name in (*CAUSES, *SUBJECTS)})
    since: dict = field(default_factory=dict)
    firing: set = field(default_factory=set)
    begun: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def draw(self, now, seen):
        """Take (value, causes) of each subject: True, False or None where it is not known."""
        seen_high = set()
        for subject, (value, causes) in seen.items():
            before = {cause for cause, names in self.affected.items() if subject in names}
            after = before if value is None else set() if not value else set(causes) or {subject}
            if value and before and self.way == "stays":
                after = before
            seen_high |= after if value else set()
            for cause, names in self.affected.items():
                (names.add if cause in after else names.discard)(subject)
        for cause, names in self.affected.items():
            self._follow(cause, names, now, sure=cause in seen_high)

    def _follow(self, cause, names, now, *, sure):
        if not names:
            self.since.pop(cause, None)
            if cause in self.firing:
                self.firing.remove(cause)
                self.ended.append(cause)
            return
        since = self.since.setdefault(cause, now)
        if sure and cause not in self.firing and now - since >= FOR:
            self.firing.add(cause)
            self.begun.append((cause, sorted(names)))


@dataclass
class Story:
    """A registry, a clock, and the messages that the notifier took."""

    ledger: object
    clock: list
    alert: object
    how: str = "taken"
    taken: dict = field(default_factory=dict)

    def send(self, message):
        if self.how == "down":
            raise NotSentError("down", again=True, down=True)
        self.taken.setdefault(message.id, message)
        if self.how == "killed":
            raise KilledError
        return "ok"

    def look(self, seen, high):
        observations = [
            Observation(
                subject=subject,
                value=None if value is None else high if value else 0.0,
                cause="c",
                root_causes=tuple(RootCause(name=cause, text="c") for cause in causes),
            )
            for subject, (value, causes) in seen.items()
        ]
        observed = Observed(observations=observations, watched=frozenset(SUBJECTS))
        looker = AlertEvaluator(ledger=self.ledger, place=PLACE, now=self.clock[0])
        looker.look({"a": self.alert}, {"a": observed})

    def deliver(self, how):
        self.how = how
        deliverer = Deliverer(ledger=self.ledger, now=self.clock[0], open_notifier=lambda _: self, jitter=lambda: 1.0)
        try:
            list(deliverer.deliver())
        except KilledError:
            self.clock[0] += timedelta(seconds=LEASE_S)


ONE = st.tuples(
    st.sampled_from([True, True, False, None]), st.sampled_from([(), CAUSES[:1], CAUSES[:1], CAUSES[1:], CAUSES])
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 3, 8, 25]),
        st.tuples(*[ONE] * len(SUBJECTS)),
        st.sampled_from(["taken", "taken", "down", "killed", "not begun"]),
    ),
    max_size=12,
)


def tell(way, steps):
    with TemporaryDirectory() as folder:
        clock = [T0]
        registry = SqlRegistry(f"sqlite:///{folder}/r.db", clock=lambda: clock[0])
        story, pencil = Story(ledger=registry.alerts("shop", "prod"), clock=clock, alert=ALERTS[way]), Pencil(way=way)
        over = [(60, ((False, ()),) * len(SUBJECTS), "taken")] * 3  # everything is well, and works
        for minutes, values, how in [*steps, *over]:
            clock[0] += timedelta(minutes=minutes)
            seen = dict(zip(SUBJECTS, values, strict=True))
            if way == "stays":  # an age has one cause
                seen = {subject: (value, causes[:1]) for subject, (value, causes) in seen.items()}
            pencil.draw(clock[0], seen)
            story.look(seen, HIGH[way])
            judge(story, pencil)
            if how != "not begun":
                story.deliver(how)
        judge_messages(story, pencil)
        registry.close()


def judge(story, pencil):
    """Each state has the subjects that the pencil has drawn."""
    states = {state.root_cause: state for state in story.ledger.load_states()}
    for cause, names in pencil.affected.items():
        found = states.get(cause)
        assert set(found.names if found and found.is_open else ()) == names
        assert (found is not None and found.status == "firing") == (cause in pencil.firing)


def judge_messages(story, pencil):
    """As many messages as causes began and ended, of the right subjects, and none that was not told."""
    taken = list(story.taken.values())
    begun = [(m.subject, sorted(s.name for s in m.subjects)) for m in taken if m.kind == "firing"]
    assert sorted(begun) == sorted(pencil.begun)
    assert sorted(m.subject for m in taken if m.kind == "resolved") == sorted(pencil.ended)
    for key in {m.key for m in taken}:
        kinds = [m.kind for m in taken if m.key == key]
        assert (kinds[0], kinds[-1], set(kinds[1:-1]) <= {"repeat"}) == ("firing", "resolved", True)


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("way", ["stays", "moves"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_there_are_as_many_messages_as_causes_whatever_is_seen(way, steps):
    tell(way, steps)


@pytest.mark.stress
@pytest.mark.parametrize("way", ["stays", "moves"])
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_there_are_as_many_messages_as_causes_in_many_stories(way, steps):
    tell(way, steps)
