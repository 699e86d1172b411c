"""Alerts in every registry: states by compare-and-set, each message sent by one, silences."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from featurectl.core.errors import StoreError
from featurectl.registry import tables
from featurectl.registry.alert_state import AffectedSubject, AlertState, Delivery, Silence
from tests.registry.test_contract import race

AT = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
STATE = AlertState(
    alert="stale", root_cause="view:delays@1", severity="critical", condition="freshness > 1d", status="firing",
    incident=3, since=AT, changed_at=AT, notified={"ops": AT}, value=9e10, cause="source s stopped", error="naïve ☃",
    subjects=(AffectedSubject(name="view:delays@1", value=9e10, cause="☃"), AffectedSubject(name="view:spend@1")),
)  # fmt: skip
NEW = AlertState(alert="stale", root_cause="view:delays@1")
LEASE_S = 60.0


def message(name, notifier="ops", root_cause=STATE.root_cause, **more):
    return Delivery(
        id=name, alert="stale", root_cause=root_cause, notifier=notifier, kind="firing",
        message={"key": "k", "☃": [1, None]}, subjects=("view:delays@1",), created_at=AT,
        due_at=AT, **more,
    )  # fmt: skip


@pytest.fixture
def clock():
    """The time by which leases run, in a list."""
    return [AT]


@pytest.fixture
def open_ledger(open_registry, clock):
    """A function that opens the alerts of an environment."""
    return lambda environment="prod": open_registry(lambda: clock[0]).alerts("flights", environment)


@pytest.fixture
def ledger(open_ledger):
    """The alerts of an environment."""
    return open_ledger()


def test_a_registry_that_is_not_there_has_no_alerts_and_reading_makes_none(ledger, tmp_path):
    assert (ledger.load_states(), ledger.load_deliveries(), ledger.load_silences()) == ([], [], [])
    assert ledger.claim(LEASE_S) is None
    assert not (tmp_path / "new").exists()


@pytest.mark.sample(6)
@pytest.mark.parametrize("document", ["[]", "{}", "null", '{"told": 5}', '{"told": {"ops": 5}}'])
def test_a_document_of_another_shape_is_an_error_of_the_registry(ledger, open_registry, document):
    ledger.write_state(NEW, STATE, [message("b")])
    ledger.write_silence(Silence(id="1", alert="*", until=AT, who="ana", created_at=AT))
    with open_registry()._database.writing() as connection:  # noqa: SLF001  # ages rows as no caller can
        for table in (tables.alert_states, tables.deliveries, tables.silences):
            connection.execute(update(table).values(document=document))
    for load in (ledger.load_states, ledger.load_deliveries, ledger.load_silences, lambda: ledger.claim(LEASE_S)):
        with pytest.raises(StoreError) as caught:
            load()
        assert caught.value.code in ("FC601", "FC604")  # of what has other fields


def test_a_document_of_a_newer_version_says_to_upgrade(ledger, open_registry):
    ledger.write_state(NEW, STATE, [message("b")])
    ledger.write_silence(Silence(id="1", alert="*", until=AT, who="ana", created_at=AT))
    with open_registry()._database.writing() as connection:  # noqa: SLF001  # ages rows as no caller can
        for table in (tables.alert_states, tables.deliveries, tables.silences):
            written = connection.execute(select(table.c.document)).scalar_one()
            connection.execute(update(table).values(document=written[:-1] + ',"grouped_by":1}'))
    for load in (ledger.load_states, ledger.load_deliveries, ledger.load_silences, lambda: ledger.claim(LEASE_S)):
        with pytest.raises(StoreError, match=r"(?s)a newer featurectl: .*'grouped_by'\n  = upgrade") as caught:
            load()
        assert caught.value.code == "FC604"


def test_a_state_and_its_messages_are_read_back_whole(ledger, open_ledger):
    assert ledger.write_state(NEW, STATE, [message("b"), message("a", "pager")])
    assert open_ledger().load_states() == [replace(STATE, revision=1)]
    assert open_ledger().load_deliveries() == [message("b", number=1), message("a", "pager", number=2)]
    assert open_ledger("dev").load_states() == []
    assert open_ledger("dev").load_deliveries() == []


def test_a_state_written_meanwhile_is_not_overwritten_and_sends_nothing(ledger):
    assert ledger.write_state(NEW, STATE, [message("a")])
    assert not ledger.write_state(NEW, replace(STATE, status="resolved"), [message("b")])
    (before,) = ledger.load_states()
    assert ledger.write_state(before, replace(before, status="resolved"), [])
    assert not ledger.write_state(before, replace(before, status="pending"), [message("c")])
    assert [(s.status, s.revision) for s in ledger.load_states()] == [("resolved", 2)]
    assert [d.id for d in ledger.load_deliveries()] == ["a"]


@pytest.mark.usefixtures("clock")
def test_of_many_that_move_a_state_at_once_one_does(open_ledger, open_registry):
    def move(registry, number):
        alerts = registry.alerts("flights", "prod")
        return alerts.write_state(NEW, replace(STATE, cause=str(number)), [message(f"{number}")])

    came = race(open_registry, 4, move)
    assert sorted(came) == [False, False, False, True]
    assert [d.id for d in open_ledger().load_deliveries()] == [str(came.index(True))]


def test_a_claimed_message_is_nobody_elses_until_its_lease_is_over(ledger, open_ledger, clock):
    ledger.write_state(NEW, STATE, [message("a")])
    first, other = ledger.claim(LEASE_S), open_ledger()
    assert first is not None
    assert (first.id, first.lease_until) == ("a", AT + timedelta(seconds=60))
    assert other.claim(LEASE_S) is None
    clock[0] += timedelta(seconds=60)
    second = other.claim(LEASE_S)
    assert second is not None
    assert second.id == "a"
    assert not ledger.settle(replace(first, state="failed"))  # too late: it is the other's
    assert other.settle(replace(second, state="sent", attempts=2))
    assert [(d.state, d.attempts, d.lease) for d in ledger.load_deliveries(["sent"])] == [("sent", 2, "")]
    assert other.claim(LEASE_S) is None
    assert not other.settle(replace(second, state="failed"))


def test_messages_about_one_subject_go_to_a_notifier_one_after_the_other(ledger):
    sent = [message("a"), message("b"), message("c", "pager"), message("d", root_cause="view:spend@1")]
    ledger.write_state(NEW, STATE, sent)
    claimed = [ledger.claim(LEASE_S) for _ in range(4)]
    assert [d.id for d in claimed if d] == ["a", "c", "d"]
    ledger.settle(replace(claimed[0], state="sent"))
    assert ledger.claim(LEASE_S).id == "b"


def test_a_message_waits_until_it_is_due(ledger, clock):
    ledger.write_state(NEW, STATE, [message("a"), message("b")])
    ledger.settle(replace(ledger.claim(LEASE_S), due_at=AT + timedelta(seconds=5), error="429"))
    assert ledger.claim(LEASE_S) is None  # not the one after it, either
    clock[0] += timedelta(seconds=5)
    assert (ledger.now(), ledger.claim(LEASE_S).id) == (clock[0], "a")


@pytest.mark.usefixtures("clock")
def test_of_many_that_send_at_once_each_message_has_one_sender(open_ledger, open_registry):
    subjects = [f"view:v{number}@1" for number in range(12)]
    open_ledger().write_state(NEW, STATE, [message(s, root_cause=s) for s in subjects])
    barrier = threading.Barrier(4)

    def send(registry, _number):
        alerts, found = registry.alerts("flights", "prod"), []
        barrier.wait()
        while (claimed := alerts.claim(LEASE_S)) is not None:
            found.append(claimed.id)
        return found

    came = race(open_registry, 4, send)
    assert sorted(name for some in came for name in some) == sorted(subjects)


def test_a_message_that_is_held_stays_and_so_do_those_behind_it(ledger):
    ledger.write_state(NEW, STATE, [message("a"), message("b"), message("c", root_cause="view:spend@1")])
    claimed = [ledger.claim(LEASE_S, lambda d: d.root_cause == STATE.root_cause) for _ in range(2)]
    assert [d and d.id for d in claimed] == ["c", None]


def settle(ledger, state):
    return ledger.settle(replace(ledger.claim(LEASE_S), state=state))


def test_sent_and_given_up_messages_are_forgotten_in_time_and_others_never(ledger, clock):
    names = ("sent", "kept", "failed", "waiting")
    ledger.write_state(NEW, STATE, [message(n, root_cause=n) for n in names])
    assert all(settle(ledger, state) for state in ("sent", "failed", "failed"))
    clock[0] += timedelta(days=1)
    ledger.forget(timedelta(days=1), ["kept"])
    every = ("waiting", "sent", "failed")
    assert [d.id for d in ledger.load_deliveries(every)] == list(names)
    clock[0] += timedelta(seconds=1)
    ledger.forget(timedelta(days=1), ["kept"])
    assert [d.id for d in ledger.load_deliveries(every)] == ["kept", "waiting"]


def test_of_what_was_given_up_the_last_is_kept_until_one_is_sent(ledger):
    ledger.write_state(NEW, STATE, [*(message(name) for name in "abcd"), message("e", "pager")])
    for left in (["a"], ["b"], [], ["d"]):
        claimed = ledger.claim(LEASE_S, lambda d: d.notifier == "pager")
        ledger.settle(replace(claimed, state="failed" if left else "sent"))
        assert [d.id for d in ledger.load_deliveries(["failed"])] == left
    settle(ledger, "failed")
    assert [d.id for d in ledger.load_deliveries(["failed"])] == ["d", "e"]


def test_what_was_given_up_waits_again_on_request_and_nothing_else_does(ledger, clock):
    ledger.write_state(NEW, STATE, [message(name, root_cause=name) for name in ("failed", "sent", "waiting")])
    settle(ledger, "failed")
    settle(ledger, "sent")
    clock[0] += timedelta(days=2)
    found = {d.id: d for d in ledger.load_deliveries(("waiting", "sent", "failed"))}
    assert {name: ledger.revive(found[name]) for name in found} == {"failed": True, "sent": False, "waiting": False}
    revived = ledger.claim(LEASE_S)
    assert (revived.id, revived.created_at, revived.state) == ("failed", clock[0], "waiting")
    assert not ledger.revive(found["failed"])


def test_a_repeat_waits_only_where_nothing_else_does(ledger):
    ledger.write_state(NEW, STATE, [message("a")])
    (before,) = ledger.load_states()
    again = [replace(message("b"), kind="repeat"), replace(message("c", "pager"), kind="repeat")]
    assert ledger.write_state(before, STATE, again)
    assert [d.id for d in ledger.load_deliveries()] == ["a", "c"]


def test_what_was_never_tried_is_withdrawn_with_its_first_addressee(ledger):
    firing = replace(STATE, notified={"ops": AT, "pager": AT, "mail": AT, "hook": AT})
    kinds = {"ops": "firing", "pager": "firing", "mail": "firing", "hook": "repeat"}
    ledger.write_state(NEW, firing, [replace(message(n, n), kind=kind) for n, kind in kinds.items()])
    ledger.settle(replace(ledger.claim(LEASE_S), attempts=1))
    assert ledger.claim(LEASE_S, lambda d: d.notifier != "pager").id == "pager"  # under way
    (before,) = ledger.load_states()
    assert not ledger.write_state(firing, firing, [], withdraw=True)
    assert ledger.write_state(before, replace(before, status="resolved"), [], withdraw=True)
    assert [d.id for d in ledger.load_deliveries()] == ["ops", "pager"]
    (after,) = ledger.load_states()
    assert (after.status, sorted(after.notified)) == ("resolved", ["hook", "ops", "pager"])


def test_silences_are_read_back_oldest_first_and_written_over(ledger, open_ledger):
    one = Silence(id="b", alert="st*", until=AT + timedelta(hours=2), who="ana@host", created_at=AT, reason="☃")
    two = replace(one, id="a", subject="view:delays@*", created_at=AT + timedelta(hours=1))
    ledger.write_silence(two)
    ledger.write_silence(one)
    assert open_ledger().load_silences() == [one, two]
    ledger.write_silence(replace(one, until=AT))
    assert [s.until for s in ledger.load_silences()] == [AT, two.until]


def test_a_silence_covers_its_patterns_until_its_end():
    silence = Silence(id="a", alert="st*", subject="view:*@1", until=AT, who="", created_at=AT)
    before = AT - timedelta(seconds=1)
    assert silence.covers("stale", "view:delays@1", before)
    assert not silence.covers("stale", "view:delays@1", AT)
    assert not silence.covers("drift", "view:delays@1", before)
    assert not silence.covers("stale", "view:delays@2", before)
