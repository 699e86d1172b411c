"""The lock of a project: who has it, who waits, whose lease has ended, and who can't write any more."""

import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.registry.base import RegistryChange, lock_holder
from featurectl.registry.database import Database
from featurectl.registry.locks import LEASE
from featurectl.registry.sql import SqlRegistry
from tests.registry.test_contract import ENTRY, VIEW, race, write
from tests.warm import WarmProcess

AT = datetime(2026, 11, 24, 12, 41, 9, 250_000, tzinfo=UTC)
ANA, BEN = "ana@host, pid 7, featurectl apply", "ben@host, pid 9, featurectl apply"


@pytest.fixture
def clock():
    """What a registry of `at_clock` takes for now, in a list of one."""
    return [AT]


@pytest.fixture
def at_clock(open_registry, clock):
    """Opens the test's registry with the test's clock."""
    return lambda: open_registry(lambda: clock[0])


def change(registry, lock_id, name="delays"):
    """Write a view under a lock."""
    state = registry.load_state("flights")
    return registry.write_change(state, RegistryChange(write=(replace(VIEW, name=name),)), ENTRY, lock_id)


def test_a_holder_is_a_user_a_process_and_a_command(monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    assert lock_holder("ana@host", "featurectl apply") == ANA


def test_a_held_lock_names_its_holder_since_when_until_when_and_its_id(at_clock, clock):
    with at_clock().lock("flights", ANA) as lock_id:
        clock[0] = AT + timedelta(seconds=9)
        with pytest.raises(TryAgainError) as caught, at_clock().lock("flights", BEN):
            pass
        assert caught.value.message == (
            f"project flights is locked by {ANA}, since 2026-11-24 12:41:09 UTC (lock {lock_id})"
        )
        assert caught.value.hint == (
            f"its lease ends at 2026-11-24 12:41:39 UTC; if nothing runs there any more: featurectl unlock {lock_id}"
        )
        with at_clock().lock("other", BEN) as other_id:
            assert other_id != lock_id


@pytest.mark.sample(4)
@pytest.mark.parametrize("error", [ZeroDivisionError, TryAgainError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_lock_is_released_whatever_ends_the_body(registry, open_registry, error):
    with pytest.raises(error), registry.lock("flights", ANA):
        raise error("")
    with open_registry().lock("flights", BEN):
        pass


def lock_for_ever(url):
    """Lock a project again and again, with a line each time, until a Ctrl-C."""
    registry = SqlRegistry(url)
    with suppress(KeyboardInterrupt):
        while True:
            with registry.lock("flights", ANA):
                sys.stdout.write("held\n")
    registry.close()


@pytest.mark.parametrize("times", [6, pytest.param(200, marks=pytest.mark.stress)])
def test_ctrl_c_at_any_moment_leaves_no_lock(tmp_path, times):
    url = f"sqlite:///{tmp_path}/registry.db"
    registry = SqlRegistry(url)
    for number in range(times):
        with WarmProcess(lock_for_ever, url) as process:
            for _ in range(3 + number % 3):
                assert process.line() == "held\n"
            time.sleep(number / times * 0.02)
            os.kill(process.pid, signal.SIGINT)
            while process.exit_code(2.0) is None:  # Python drops one that comes while it frees an object
                os.kill(process.pid, signal.SIGINT)
            process.end()  # what it says of a Ctrl-C inside a commit is SQLAlchemy's
        with registry.lock("flights", BEN):
            pass
    registry.close()


@pytest.mark.parametrize("transaction", [1, 2], ids=["taking", "releasing"])
def test_an_interrupt_as_a_transaction_begins_leaves_no_lock(registry, open_registry, monkeypatch, transaction):
    """It comes when the transaction is open and nobody has it yet: who releases the lock must not wait for it."""
    begun, writing = [], Database.writing

    class Interrupted:
        def __init__(self, database):
            self.inner = writing(database)

        def __enter__(self):
            connection = self.inner.__enter__()  # what comes before its body
            begun.append(1)
            if len(begun) == transaction:
                raise KeyboardInterrupt
            return connection

        def __exit__(self, *error):
            return self.inner.__exit__(*error)

    monkeypatch.setattr(Database, "writing", lambda database: Interrupted(database))  # noqa: PLW0108  # a method
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), registry.lock("flights", ANA):
        pass
    assert time.monotonic() - begin < 60
    monkeypatch.setattr(Database, "writing", writing)
    with open_registry().lock("flights", BEN):
        pass


def test_who_waits_long_enough_gets_the_lock_and_hears_once_of_each_holder(open_registry):
    told, steps, held = [], [], threading.Event()

    def hold(registry):
        with registry.lock("flights", ANA):
            held.set()
            time.sleep(0.6)
            steps.append("ana is done")

    thread = threading.Thread(target=hold, args=(open_registry(),))
    thread.start()
    held.wait()
    with open_registry().lock("flights", BEN, 60, told.append):
        steps.append("ben is in")
    thread.join()
    assert (told, steps) == ([ANA], ["ana is done", "ben is in"])


@pytest.mark.sample(1)
def test_who_has_waited_for_the_timeout_gives_up_and_says_how_long(open_registry):
    with open_registry().lock("flights", ANA):
        begin = time.monotonic()
        late = open_registry().lock("flights", BEN, 1.0)
        with pytest.raises(TryAgainError, match=r"(?m)\(lock [0-9a-f]{12}\); waited 1 s$"), late:
            pass
        assert 1.0 <= time.monotonic() - begin < 60


def test_an_ended_lease_is_taken_over_and_its_old_holder_writes_nothing(at_clock, clock):
    first, second, third = (at_clock() for _ in range(3))
    change(first, "")
    with first.lock("flights", ANA) as lost:
        clock[0] = AT + LEASE - timedelta(microseconds=1)
        with pytest.raises(TryAgainError), second.lock("flights", BEN):
            pass
        clock[0] = AT + LEASE
        held = second.lock("flights", BEN)
        lock_id = held.__enter__()
        with pytest.raises(TryAgainError, match=f"the lock of project flights is lost: {BEN} has it now; nothing was"):
            change(first, lost, "late")
        assert [o.name for o in first.load_state("flights").objects] == ["delays"]
    with pytest.raises(TryAgainError, match="locked by ben@host"), third.lock("flights", "eve"):
        pass
    assert change(second, lock_id, "early").serial == 2
    held.__exit__(None, None, None)
    with third.lock("flights", "eve"):
        pass


def test_who_outlasts_the_lease_writes_until_another_takes_the_lock(at_clock, clock):
    registry = at_clock()
    with registry.lock("flights", ANA) as lock_id:
        clock[0] = AT + 100 * LEASE
        assert change(registry, lock_id).serial == 1


class Slow(dict):
    """A definition that tells when it is being written, and waits until the test lets it go on."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.written, self.go_on = threading.Event(), threading.Event()

    def items(self):
        self.written.set()
        assert self.go_on.wait(60)
        return super().items()


@pytest.mark.sample(1)
def test_a_lock_is_not_taken_over_while_its_holder_writes(at_clock, clock):
    """The lease has ended, but the holder is inside its transaction: the next one waits for its end, and sees it."""
    first, second, seen = at_clock(), at_clock(), []
    definition = Slow(a=1)

    def write_slowly():
        with first.lock("flights", ANA) as lock_id:
            first.write_change(
                first.load_state("flights"),
                RegistryChange(write=(replace(VIEW, definition=definition),)),
                ENTRY,
                lock_id,
            )

    def take_over():
        with second.lock("flights", BEN):
            seen.append(second.load_state("flights").serial)

    threads = [threading.Thread(target=write_slowly), threading.Thread(target=take_over)]
    threads[0].start()
    assert definition.written.wait(60)
    clock[0] = AT + LEASE
    threads[1].start()
    time.sleep(0.5)
    assert seen == []
    definition.go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [1]


@pytest.mark.parametrize("ended", [False, True])
def test_of_many_that_lock_at_once_one_holds_it_and_the_others_are_told(at_clock, clock, open_registry, ended):
    dead = at_clock().lock("flights", ANA)
    if ended:
        dead.__enter__()
        clock[0] = AT + LEASE
    tried = threading.Barrier(4)

    def hold(registry, number):
        try:
            with registry.lock("flights", f"holder {number}"):
                tried.wait()
                return "held"
        except TryAgainError as error:
            tried.wait()
            return re.sub(r"\d.*", "N", error.message)

    came = race(lambda: open_registry(lambda: clock[0]), 4, hold)
    assert sorted(came) == ["held", *["project flights is locked by holder N"] * 3]


def test_leases_run_by_the_servers_clock_not_by_this_machines(open_registry, registry_url, monkeypatch):
    if registry_url.startswith("sqlite"):
        return  # a file has no clock but this machine's
    with open_registry().lock("warm", "up"):
        pass
    monkeypatch.setattr("featurectl.registry.dialect.datetime", None)
    with open_registry().lock("flights", ANA), pytest.raises(TryAgainError), open_registry().lock("flights", BEN):
        pass


def test_an_unlocked_lock_is_free_and_its_holder_can_not_write(registry, open_registry):
    with registry.lock("flights", ANA) as lock_id:
        removed = open_registry().unlock("flights", lock_id)
        assert (removed.id, removed.holder) == (lock_id, ANA)
        assert removed.expires_at - removed.since == LEASE
        with pytest.raises(TryAgainError, match="is lost: it was taken away; nothing was written"):
            change(registry, lock_id)
        assert registry.load_state("flights").serial == 0
        with open_registry().lock("flights", BEN):
            pass


def test_only_the_lock_of_that_id_is_removed(registry, open_registry):
    write(registry, registry.load_state("flights"))
    with registry.lock("flights", ANA) as lock_id:
        with pytest.raises(UsageError) as caught:
            open_registry().unlock("flights", "0123456789ab")
        assert caught.value.message == "project flights has no lock 0123456789ab"
        assert caught.value.hint.startswith(f"it is locked by {ANA}, since 20")
        assert caught.value.hint.endswith(f" UTC (lock {lock_id})")
        with pytest.raises(UsageError, match="project other is not locked"):
            open_registry().unlock("other", lock_id)
        assert change(registry, lock_id).serial == 2
    with pytest.raises(UsageError, match="project flights is not locked"):
        open_registry().unlock("flights", lock_id)


def test_unlocking_where_no_registry_is_makes_none(tmp_path):
    registry = SqlRegistry(f"sqlite:///{tmp_path}/folder/registry.db")
    with pytest.raises(UsageError, match="project flights is not locked"):
        registry.unlock("flights", "0123456789ab")
    assert list(tmp_path.iterdir()) == []
