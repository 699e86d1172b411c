"""Random stories of looks, crashes and silences, against what a person with a pencil would expect to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.language.definitions.alerts import Alert, Condition
from featurectl.monitor.alerts.deliver import LEASE_S, Deliverer
from featurectl.monitor.alerts.evaluate import AlertEvaluator
from featurectl.monitor.alerts.message import AlertScope
from featurectl.monitor.alerts.observation import Observation, Observed
from featurectl.notifiers.base import NotSentError
from featurectl.registry.alert_state import Silence
from featurectl.registry.sql import SqlRegistry

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
SUBJECT = "model:late:x"
PLACE = AlertScope(project="shop", environment="prod")
ALERT = Alert(
    name="drift", when=Condition(metric="psi", op=">", value=0.2), severity="warning", notify=("ops",),
    for_us=5 * 60_000_000, repeat_us=20 * 60_000_000,
)  # fmt: skip
HIGH, LOW, NOTHING = 0.3, 0.1, None


class KilledError(BaseException):
    """The monitor is gone."""


@dataclass
class Story:
    """A registry, a clock, and what the notifier took: (key, kind, ID) of each message."""

    ledger: object
    clock: list
    taken: list = field(default_factory=list)
    kills: int = 0
    silent_until: datetime = T0
    since: datetime | None = None  # from when on the pencil has seen the condition hold
    how: str = "taken"

    @property
    def now(self):
        return self.clock[0]

    @property
    def silent(self):
        return self.now < self.silent_until

    def send(self, message):
        assert not self.silent
        if self.how == "down":
            raise NotSentError("down", again=True, down=True)
        self.taken.append((message.key, message.kind, message.id))
        if self.how == "killed":
            self.kills += 1
            raise KilledError

    def look(self, value, now=None):
        observation = Observation(subject=SUBJECT, value=value, cause="c")
        observed = Observed(observations=[observation], watched=frozenset({"model:late"}))
        looker = AlertEvaluator(ledger=self.ledger, place=PLACE, now=now or self.now, past=now is not None)
        looker.look({"drift": ALERT}, {"drift": observed})

    def deliver(self, how):
        self.how = how
        deliverer = Deliverer(ledger=self.ledger, now=self.now, open_notifier=lambda _: self, jitter=lambda: 1.0)
        try:
            list(deliverer.deliver())
        except KilledError:
            self.clock[0] += timedelta(seconds=LEASE_S)

    def status(self):
        states = self.ledger.load_states()
        return states[0].status if states else "ok"

    def judge(self, value):
        """Compare the state with what the values so far mean."""
        if value == LOW:
            self.since = None
        elif value == HIGH:
            self.since = self.since or self.now
        held = self.since is not None and self.now - self.since
        if value != NOTHING:
            expected = (
                "firing" if held is not False and held >= timedelta(minutes=5) else "pending" if self.since else ""
            )
            assert (self.status() if expected else "") == expected
            assert expected or self.status() in ("ok", "resolved")

    def judge_messages(self):
        """Each incident is told from its beginning to its end, in order; what came twice, came of a kill."""
        ids = [taken[2] for taken in self.taken]
        assert len(ids) - len(set(ids)) <= self.kills
        once = list(dict.fromkeys(self.taken))
        for key in dict.fromkeys(taken[0] for taken in once):
            kinds = [kind for of, kind, _ in once if of == key]
            assert kinds[0] == "firing"
            assert set(kinds[1:-1]) <= {"repeat"}
            assert "firing" not in kinds[1:]
        ends = [(key, kind) for key, kind, _ in once if kind != "repeat"]
        assert all(kind == ("firing", "resolved")[at % 2] for at, (_, kind) in enumerate(ends))
        assert all(a[0] == b[0] for a, b in zip(ends[::2], ends[1::2], strict=False))
        return ends


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["look", "look", "look", "silence", "past"]),
        st.sampled_from([1, 3, 8, 25]),
        st.sampled_from([HIGH, HIGH, HIGH, LOW, NOTHING]),
        st.sampled_from(["taken", "taken", "down", "killed", "not begun"]),
    ),
    max_size=12,
)


def tell(steps):
    with TemporaryDirectory() as folder:
        clock = [T0]
        registry = SqlRegistry(f"sqlite:///{folder}/r.db", clock=lambda: clock[0])
        story = Story(ledger=registry.alerts("shop", "prod"), clock=clock)
        for what, minutes, value, how in steps:
            clock[0] += timedelta(minutes=minutes)
            if what == "silence":
                story.silent_until = clock[0] + timedelta(minutes=minutes)
                story.ledger.write_silence(
                    Silence(id="s", alert="*", until=story.silent_until, who="ana", created_at=clock[0])
                )
            elif what == "past":
                if before := story.ledger.load_states():
                    story.look(value, now=T0 - timedelta(minutes=minutes))
                    assert story.ledger.load_states() == before
            else:
                story.look(value)
                story.judge(value)
                if how != "not begun":
                    story.deliver(how)
        _end(story)
        registry.close()


def _end(story):
    """Everything works again: what fires is told, and when it is over that is told, too."""
    story.clock[0] = max(story.now, story.silent_until) + timedelta(hours=1)
    for value in (HIGH, LOW):
        for minutes in (0, 5, 15):  # a message that waited is due by then
            story.clock[0] += timedelta(minutes=minutes)
            story.look(value)
            story.judge(value)
            story.deliver("taken")
        ends = story.judge_messages()
        assert ends[-1][1] == ("firing" if value == HIGH else "resolved")


@pytest.mark.long
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_every_incident_is_told_in_order_and_to_its_end_whatever_happens(steps):
    tell(steps)


@pytest.mark.stress
@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_every_incident_is_told_in_order_and_to_its_end_in_many_stories(steps):
    tell(steps)
