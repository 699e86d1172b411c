"""The state machine of an alert: by hand, and over random sequences."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from featurectl.language.definitions.alerts import Alert, Condition
from featurectl.monitor.alerts.incidents import observations_of
from featurectl.monitor.alerts.observation import Observation, Observed
from featurectl.monitor.alerts.state_machine import AlertMessage, close, step
from featurectl.registry.alert_state import AlertState

MINUTE_US = 60_000_000
T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALERT = Alert(
    name="drift",
    when=Condition(metric="psi", op=">", value=0.2),
    severity="warning",
    notify=("ops", "pager"),
    for_us=10 * MINUTE_US,
    repeat_us=30 * MINUTE_US,
)
START = AlertState(alert="drift", root_cause="model:late")
HIGH, LOW, NOTHING = 0.3, 0.1, None


def seen(value, error="", before=START):
    """Return what one feature's value is for its model."""
    one = Observation(subject="model:late:origin", value=value, cause=f"psi {value}", error=error)
    return observations_of(ALERT, Observed(observations=[one], watched=frozenset({"model:late"})), [before]).of(before)


def walk(steps, alert=ALERT, state=START):
    """Return after each (minute, value, silenced) the status and what was told: "ops firing"."""
    told_of = []
    for minute, value, *silenced in steps:
        observation = seen(None, "gone", state) if value == "error" else seen(value, before=state)
        now = T0 + timedelta(minutes=minute)
        state, told = step(state, observation, alert, now, silenced=bool(silenced and silenced[0]))
        told_of.append((state.status, [f"{item.notifier} {item.kind}" for item in told]))
    return told_of, state


def test_it_fires_once_after_the_condition_held_long_and_is_resolved_once():
    found, state = walk([(0, HIGH), (9, HIGH), (10, HIGH), (11, HIGH), (12, LOW), (13, LOW)])
    assert found == [
        ("pending", []),
        ("pending", []),
        ("firing", ["ops firing", "pager firing"]),
        ("firing", []),
        ("resolved", ["ops resolved", "pager resolved"]),
        ("resolved", []),
    ]
    assert (state.incident, state.notified, state.severity, state.condition) == (1, {}, "warning", "psi > 0.2")


def test_a_condition_that_ends_before_for_is_over_tells_nobody():
    found, state = walk([(0, HIGH), (9, LOW), (10, HIGH), (19, HIGH), (20, LOW)])
    assert [told for _, told in found] == [[]] * 5
    assert state.status == "ok"
    assert state.incident == 0


def test_without_for_the_first_look_fires():
    assert walk([(0, HIGH)], replace(ALERT, for_us=0))[0] == [("firing", ["ops firing", "pager firing"])]


def test_it_is_told_again_every_repeat_and_never_without_one():
    looks = [(minute, HIGH) for minute in range(0, 100, 10)]
    told = [(minute, told) for (minute, _), (_, told) in zip(looks, walk(looks)[0], strict=True) if told]
    again = ["ops repeat", "pager repeat"]
    assert told == [(10, ["ops firing", "pager firing"]), (40, again), (70, again)]
    assert sum(bool(told) for _, told in walk(looks, replace(ALERT, repeat_us=None))[0]) == 1


def test_what_is_not_known_neither_fires_nor_resolves():
    found, state = walk([(0, HIGH), (10, "error"), (11, NOTHING)])
    assert [status for status, _ in found] == ["pending"] * 3
    assert (state.value, state.cause) == (HIGH, "psi 0.3")
    found, state = walk([(0, HIGH), (10, HIGH), (11, "error"), (60, NOTHING), (61, "error")])
    assert [status for status, _ in found] == ["pending", *["firing"] * 4]
    assert found[3][1] == ["ops repeat", "pager repeat"]  # nobody knows that it is over
    assert state.error == "gone"


def test_a_silenced_alert_is_sent_at_the_end_of_silence_if_it_still_fires():
    found, _ = walk([(0, HIGH, True), (10, HIGH, True), (20, HIGH, True), (21, HIGH), (22, HIGH)])
    assert [status for status, _ in found] == ["pending", *["firing"] * 4]
    assert [told for _, told in found] == [[], [], [], ["ops firing", "pager firing"], []]


def test_an_incident_that_begins_and_ends_in_silence_was_none_for_anybody():
    found, state = walk([(0, HIGH, True), (10, HIGH, True), (20, LOW, True), (21, LOW)])
    assert [told for _, told in found] == [[]] * 4
    assert (state.status, state.incident) == ("resolved", 1)


def test_the_end_of_a_reported_incident_is_sent_when_the_silence_is_over():
    found, _ = walk([(0, HIGH), (10, HIGH), (20, LOW, True), (21, LOW), (22, LOW)])
    assert [told for _, told in found[2:]] == [[], ["ops resolved", "pager resolved"], []]


def test_an_incident_whose_end_nobody_was_told_goes_on():
    found, state = walk([(0, HIGH), (10, HIGH), (20, LOW, True), (21, HIGH, True), (31, HIGH), (32, LOW)])
    assert [told for _, told in found[2:]] == [[], [], [], ["ops resolved", "pager resolved"]]
    assert state.incident == 1


def test_a_notifier_that_the_alert_has_from_now_on_is_told_too():
    _, state = walk([(0, HIGH), (10, HIGH)], replace(ALERT, notify=("ops",)))
    found, state = walk([(11, HIGH), (12, LOW)], ALERT, state)
    assert [told for _, told in found] == [["pager firing"], ["ops resolved", "pager resolved"]]


def test_an_alert_that_turns_more_severe_while_it_fires_is_resent_at_once():
    _, state = walk([(0, HIGH), (10, HIGH)])
    for severity, told in (("info", []), ("warning", ["ops repeat", "pager repeat"]), ("warning", [])):
        found, state = walk([(11, HIGH)], replace(ALERT, severity=severity), state)
        assert found == [("firing", told)]
    assert walk([(12, LOW)], replace(ALERT, severity="critical"), state)[0][0][1] == ["ops resolved", "pager resolved"]


def test_what_is_watched_no_more_is_resolved():
    _, state = walk([(0, HIGH), (10, HIGH)])
    over = T0 + timedelta(minutes=11)
    closed, told = close(state, over, "gone", silenced=False)
    assert (closed.status, told) == ("resolved", [AlertMessage(notifier=n, kind="resolved") for n in ("ops", "pager")])
    quiet, told = close(state, over, "gone", silenced=True)
    assert (quiet.notified, told) == (state.notified, ())
    assert close(walk([(0, HIGH)])[1], T0, "gone")[0].status == "ok"


def test_what_a_clock_that_was_ahead_has_written_delays_nothing():
    ahead = 10 * 365 * 1440
    _, state = walk([(ahead, HIGH)])
    assert walk([(0, HIGH), (10, HIGH)], state=state)[0][-1] == ("firing", ["ops firing", "pager firing"])
    _, state = walk([(ahead, HIGH), (ahead + 10, HIGH)])
    found, _ = walk([(0, HIGH), (29, HIGH), (30, HIGH), (31, LOW)], state=state)
    assert [told for _, told in found] == [[], [], ["ops repeat", "pager repeat"], ["ops resolved", "pager resolved"]]


LOOKS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([HIGH, HIGH, LOW, NOTHING, "error"]), st.booleans()), max_size=40
)
ALERTS = st.builds(
    lambda for_, repeat, names: replace(ALERT, for_us=for_ * MINUTE_US, repeat_us=repeat, notify=tuple(names)),
    st.sampled_from([0, 1, 10, 60]),
    st.sampled_from([None, 5 * MINUTE_US, 60 * MINUTE_US]),
    st.sets(st.sampled_from(["ops", "pager", "mail"]), min_size=1),
)


def history(looks, alert):
    """Return for each look the minute, its value, whether it was silenced, the state after it, and who was told."""
    minute, state, found = 0, START, []
    for gap, value, silenced in looks:
        minute += gap
        observation = seen(None, "gone", state) if value == "error" else seen(value, before=state)
        state, told = step(state, observation, alert, T0 + timedelta(minutes=minute), silenced=silenced)
        found.append((minute, value, silenced, state, told))
    return found


@given(LOOKS, ALERTS)
def test_nothing_is_sent_before_the_condition_was_seen_to_hold_long_enough(looks, alert):
    since = None
    for minute, value, _, state, told in history(looks, alert):
        if value == LOW:
            since = None
        elif value == HIGH and since is None:
            since = minute
        if state.status == "firing":
            assert since is not None
            assert (minute - since) * MINUTE_US >= alert.for_us
        assert not told or state.status in ("firing", "resolved")


@given(LOOKS, ALERTS)
def test_each_notifier_is_told_once_of_an_incident_and_once_of_its_end(looks, alert):
    for name in alert.notify:
        kinds = [(s.incident, t.kind) for *_, s, told in history(looks, alert) for t in told if t.notifier == name]
        without = [item for item in kinds if item[1] != "repeat"]
        assert len(set(without)) == len(without)
        for (one, before), (other, after) in pairwise(without):
            assert (before, after) in (("firing", "resolved"), ("resolved", "firing"))
            assert other == one if after == "resolved" else other > one
        assert not without or without[0][1] == "firing"


@given(LOOKS, ALERTS)
def test_repeats_are_never_closer_than_repeat(looks, alert):
    last = {}
    for minute, _, _, _, told in history(looks, alert):
        for item in told:
            if item.kind == "repeat":
                assert alert.repeat_us is not None
                assert (minute - last[item.notifier]) * MINUTE_US >= alert.repeat_us
            last[item.notifier] = minute


@given(LOOKS, ALERTS)
def test_silence_tells_nobody_and_changes_no_status(looks, alert):
    loud = history([(gap, value, False) for gap, value, _ in looks], alert)
    for one, other in zip(history(looks, alert), loud, strict=True):
        assert not one[2] or list(one[4]) == []
        assert (one[3].status, one[3].since) == (other[3].status, other[3].since)


@given(LOOKS, ALERTS)
def test_a_last_look_without_silence_leaves_nothing_untold(looks, alert):
    *_, state, _ = (history([*looks, (1, HIGH, False)], alert))[-1]
    if state.status == "firing":
        assert set(alert.notify) <= set(state.notified)
    *_, state, _ = (history([*looks, (1, LOW, False)], alert))[-1]
    assert dict(state.notified) == {}
