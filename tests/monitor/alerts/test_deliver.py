"""The outbox against one local server: nothing is lost, a crash repeats at most once, two senders never do."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.core.errors import UsageError
from featurectl.monitor.alerts.deliver import GIVE_UP, LEASE_S, Deliverer
from featurectl.monitor.alerts.message import AlertScope, Transition, deliveries_of
from featurectl.monitor.alerts.state_machine import AlertMessage
from featurectl.notifiers.base import NotSentError
from featurectl.notifiers.slack import SlackNotifier
from featurectl.notifiers.webhook import WebhookNotifier
from featurectl.registry.alert_state import AlertState, Silence
from featurectl.registry.sql import SqlRegistry
from tests.servers.hooks import running_hook

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLACE = AlertScope(project="shop", environment="prod")
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from featurectl.monitor.alerts.deliver import Deliverer
from featurectl.notifiers.webhook import WebhookNotifier
from featurectl.registry.sql import SqlRegistry

class Dies:
    def send(self, message):
        WebhookNotifier(sys.argv[2]).send(message)
        os.kill(os.getpid(), signal.SIGKILL)

ledger = SqlRegistry(sys.argv[1]).alerts("shop", "prod")
now = datetime.now(UTC)
list(Deliverer(ledger=ledger, now=now, open_notifier=lambda name: Dies()).deliver())
"""


@pytest.fixture
def url(tmp_path):
    """A registry."""
    return f"sqlite:///{tmp_path}/registry.db"


def open_ledger(url, clock=None):
    return SqlRegistry(url, clock=(lambda: clock[0]) if clock else None).alerts("shop", "prod")


def tell(ledger, *subjects, notifiers=("ops",), kind="firing", clock=AT):
    """Write a state for each subject, with its messages."""
    states = {state.root_cause: state for state in ledger.load_states()}
    for subject in subjects:
        before = states.get(subject, AlertState(alert="stale", root_cause=subject))
        after = replace(before, status="firing", incident=1, condition="freshness > 1d", value=1.8e11, since=AT)
        told = [AlertMessage(notifier=name, kind=kind) for name in notifiers]
        transition = Transition(before=before, after=after, at=AT, clock=clock)
        assert ledger.write_state(before, after, deliveries_of(PLACE, transition, told))


def deliver(ledger, notifier, jitter=1.0):
    return list(Deliverer(ledger=ledger, now=AT, open_notifier=lambda _: notifier, jitter=lambda: jitter).deliver())


def test_a_sender_killed_before_it_marks_repeats_once_with_the_same_key(url):
    clock = [datetime.now(UTC)]
    ledger = open_ledger(url, clock)
    tell(ledger, "view:a@1", "view:b@1")
    with running_hook() as hook:
        done = subprocess.run([sys.executable, "-c", KILLED, url, hook.url], timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(hook.taken) == 1
        assert [s.delivery.root_cause for s in deliver(ledger, WebhookNotifier(hook.url))] == ["view:b@1"]
        clock[0] += timedelta(seconds=LEASE_S + 60)  # the dead one's lease is over
        assert [s.delivery.state for s in deliver(ledger, WebhookNotifier(hook.url))] == ["sent"]
        assert deliver(ledger, WebhookNotifier(hook.url)) == []
    assert [d["subject"] for d in hook.taken] == ["view:a@1", "view:b@1", "view:a@1"]
    assert hook.taken[0] == hook.taken[2]
    assert hook.taken[0]["key"] == "featurectl/shop/prod/stale/view:a@1/1"
    assert hook.headers[0]["idempotency-key"] == hook.headers[2]["idempotency-key"]


def test_two_senders_at_once_send_each_message_once(url):
    subjects = [f"view:v{number:02}@1" for number in range(20)]
    tell(open_ledger(url), *subjects)
    start = threading.Barrier(2)

    def run():
        start.wait()
        deliver(open_ledger(url), WebhookNotifier(hook.url))

    with running_hook() as hook:
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(d["subject"] for d in hook.taken) == subjects


def test_a_server_that_limits_its_rate_gets_all_messages_when_it_says_so(url):
    clock = [AT]
    ledger = open_ledger(url, clock)
    tell(ledger, "view:a@1")
    tell(ledger, "view:a@1", kind="resolved")
    with running_hook(lambda *_: (200, "ok", {})) as hook:
        slack = SlackNotifier(hook.url)
        hook.next += [(429, "rate_limited", {"Retry-After": "30"}), (500, "", {})]
        (first,) = deliver(ledger, slack)
        assert (first.delivery.state, first.delivery.error) == ("waiting", "Slack answered 429: rate_limited")
        clock[0] += timedelta(seconds=29)
        assert deliver(ledger, slack) == []
        clock[0] += timedelta(seconds=1)
        (second,) = deliver(ledger, slack)
        assert (second.delivery.attempts, second.delivery.due_at) == (2, clock[0] + timedelta(seconds=4))
        clock[0] += timedelta(seconds=4)
        assert [s.delivery.kind for s in deliver(ledger, slack)] == ["firing", "resolved"]
    assert hook.asked == 4


def test_a_server_that_asks_to_wait_gets_no_other_message_before(url):
    clock = [AT]
    ledger = open_ledger(url, clock)
    tell(ledger, *(f"view:{n}@1" for n in range(4)), notifiers=("ops", "pager"))
    with running_hook() as hook, running_hook() as pager:
        notifiers = {"ops": WebhookNotifier(hook.url), "pager": WebhookNotifier(pager.url)}
        deliverer = Deliverer(ledger=ledger, now=AT, open_notifier=notifiers.__getitem__)
        hook.next.append((429, "", {"Retry-After": "30"}))
        list(deliverer.deliver())
        assert (hook.asked, len(pager.taken), deliverer.due_s()) == (1, 4, 30)
        clock[0] += timedelta(seconds=30)
        list(deliverer.deliver())
    assert [d["subject"] for d in hook.taken] == [f"view:{n}@1" for n in range(4)]


def test_what_is_refused_for_good_is_told_and_does_not_hold_up_the_rest(url):
    ledger = open_ledger(url)
    tell(ledger, "view:a@1", notifiers=("gone", "ops"))
    with running_hook() as hook:
        notifiers = {"gone": SlackNotifier(f"{hook.url}/x"), "ops": WebhookNotifier(hook.url)}
        hook.next.append((404, "no_service", {}))
        sent = list(Deliverer(ledger=ledger, now=AT, open_notifier=notifiers.__getitem__).deliver())
    assert [(s.delivery.notifier, s.delivery.state) for s in sent] == [("gone", "failed"), ("ops", "sent")]
    assert [(d.notifier, d.error) for d in ledger.load_deliveries()] == [("gone", "Slack answered 404: no_service")]
    assert len(hook.taken) == 1


class Refuses:
    """A notifier that raises."""

    def __init__(self, error):
        self.error = error

    def send(self, message):  # noqa: ARG002  # of the protocol
        raise self.error


class Taken:
    """A notifier that takes everything."""

    def send(self, message):
        pass


def test_waits_double_up_to_ten_minutes_and_end_after_a_day(url):
    clock, waits = [AT], []
    ledger = open_ledger(url, clock)
    tell(ledger, "view:a@1")
    down = Refuses(NotSentError("down", again=True))
    while (sent := deliver(ledger, down)[0].delivery).state == "waiting":
        waits.append((sent.due_at - clock[0]).total_seconds())
        clock[0] = sent.due_at if len(waits) < 12 else max(sent.due_at, AT + GIVE_UP - timedelta(seconds=900))
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600, 600]
    assert clock[0] - AT >= GIVE_UP
    assert sent.error == f"down; given up after {sent.attempts} tries"
    assert deliver(ledger, down) == []


def test_a_variable_that_is_not_set_is_named_and_the_message_waits(url):
    ledger = open_ledger(url, [AT])
    tell(ledger, "view:a@1", "view:b@1")
    error = UsageError("the environment variable HOOK is not set (notifier ops)")

    def unset(_):
        raise error

    (sent,) = Deliverer(ledger=ledger, now=AT, open_notifier=unset).deliver()  # told once, for all of its messages
    assert (sent.unset, sent.delivery.state, sent.delivery.error) == (error, "waiting", error.message)


def test_the_jitter_is_drawn_anew_for_each_wait(url):
    clock = [AT]
    ledger = open_ledger(url, clock)
    tell(ledger, *(f"view:{n}@1" for n in range(8)))
    deliverer = Deliverer(ledger=ledger, now=AT, open_notifier=lambda _: Refuses(NotSentError("down", again=True)))
    waits = {(s.delivery.due_at - AT).total_seconds() for s in deliverer.deliver()}
    assert len(waits) == 8
    assert all(1 <= wait <= 2 for wait in waits)


def test_a_mute_notifier_is_waited_for_once_and_delays_no_other(url):
    ledger = open_ledger(url, [AT])
    tell(ledger, *(f"view:{n}@1" for n in range(4)), notifiers=("hangs", "pager"))
    tried = []

    class Hangs:
        def send(self, message):
            tried.append(message.subject)
            raise NotSentError("took longer than 30 s", again=True, down=True)

    with running_hook() as hook:
        notifiers = {"hangs": Hangs(), "pager": WebhookNotifier(hook.url)}
        deliverer = Deliverer(ledger=ledger, now=AT, open_notifier=notifiers.__getitem__)
        assert len(list(deliverer.deliver())) == 5
        assert len(hook.taken) == 4
        assert tried == ["view:0@1"]
        list(deliverer.deliver())
    assert tried == ["view:0@1", "view:1@1"]  # the first waits longer
    assert len(ledger.load_deliveries(["waiting"])) == 4


def silence(alert="stale", subject="*", hours=2):
    until = AT + timedelta(hours=hours)
    return Silence(id=f"{alert}{subject}", alert=alert, subject=subject, until=until, who="ana", created_at=AT)


def test_what_waits_to_be_sent_is_held_while_silenced_and_sent_at_the_end(url):
    clock = [AT]
    ledger = open_ledger(url, clock)
    tell(ledger, "view:a@1", "view:b@1")
    down, up = Refuses(NotSentError("down", again=True)), Taken()
    deliver(ledger, down)
    ledger.write_silence(silence(subject="view:a@*"))
    clock[0] += timedelta(minutes=5)
    assert [s.delivery.root_cause for s in deliver(ledger, up)] == ["view:b@1"]
    deliverer = Deliverer(ledger=ledger, now=AT + timedelta(minutes=5), open_notifier=lambda _: up)
    assert (list(deliverer.deliver()), deliverer.due_s()) == ([], None)
    over = replace(deliverer, now=AT + timedelta(hours=2))
    assert over.due_s() < 0
    assert [s.delivery.root_cause for s in over.deliver()] == ["view:a@1"]


def test_the_day_until_a_message_is_given_up_begins_when_its_silence_ends(url):
    clock = [AT]
    ledger = open_ledger(url, clock)
    tell(ledger, "view:a@1")
    ledger.write_silence(silence(hours=30))
    down = Refuses(NotSentError("down", again=True))
    for hours, state in ((30, "waiting"), (53, "waiting"), (54, "failed")):
        clock[0] = AT + timedelta(hours=hours)
        (sent,) = Deliverer(ledger=ledger, now=clock[0], open_notifier=lambda _: down).deliver()
        assert sent.delivery.state == state


def test_a_message_behind_one_that_waits_is_not_due_before_it(url):
    clock = [AT]
    ledger = open_ledger(url, clock)
    tell(ledger, "view:a@1")
    deliver(ledger, Refuses(NotSentError("down", again=True, after_s=600)))
    tell(ledger, "view:a@1", kind="resolved")
    assert Deliverer(ledger=ledger, now=AT, open_notifier=lambda _: Taken()).due_s() == 600


def test_a_sender_that_is_stopped_finishes_its_message_and_leaves_the_rest(url):
    ledger, stopped = open_ledger(url, [AT]), []
    tell(ledger, "view:a@1", "view:b@1")

    class Stops:
        def send(self, message):
            stopped.append(message.subject)

    deliverer = Deliverer(ledger=ledger, now=AT, open_notifier=lambda _: Stops(), stopped=lambda: bool(stopped))
    assert [s.delivery.state for s in deliverer.deliver()] == ["sent"]
    assert [(d.root_cause, d.lease) for d in ledger.load_deliveries(["waiting"])] == [("view:b@1", "")]
