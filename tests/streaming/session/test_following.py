"""A worker that runs follows what is applied, and loses nothing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from featurectl.online.sqlite.stream_state import SqliteStreamState
from featurectl.streaming.session import followed_streams
from tests.streaming.session.running import running
from tests.streaming.session.swipes import OBJECTS, Swipes, wait_for

LATER = OBJECTS.replace("windows: [1h]", "windows: [1h, 3h]") + (
    "  - {name: latest, entity: card, source: swipes, features: [amount]}\n"
)
WIDER = OBJECTS.replace("amount: float64, at: timestamp", "amount: float64, fee: float64, at: timestamp")


@pytest.mark.long
def test_views_that_are_applied_while_it_runs_are_kept_online(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.send(2)
    with running(swipes) as run:
        wait_for(lambda: swipes.values() == {"amount_sum_1h": 102.0, "amount_count_1h": 3})
        swipes.apply(LATER)
        wanted = {"amount_sum_1h": 102.0, "amount_count_1h": 3, "amount_sum_3h": 102.0, "amount_count_3h": 3}
        wait_for(lambda: swipes.values() == wanted)
        wait_for(lambda: swipes.values(view="latest@1") == {"amount": 1.0})
        swipes.send(1, amount=5.0)
        wait_for(lambda: swipes.values(view="latest@1") == {"amount": 5.0})
        swipes.apply(OBJECTS, "latest")  # and its window goes
        swipes.send(1)
        wait_for(lambda: swipes.values() == {"amount_sum_1h": 108.0, "amount_count_1h": 5})
    assert swipes.logged() == 4
    assert [of.problem for of in run.reports] == [""]
    assert [of.events for of in run.reports] == [4]


@pytest.mark.long
def test_events_do_not_wait_for_lists_to_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    swipes, is_over = Swipes(root=tmp_path, objects=LATER), threading.Event()
    swipes.send(2)
    with running(swipes):
        wait_for(lambda: swipes.values(view="latest@1") == {"amount": 1.0})
        monkeypatch.setattr(SqliteStreamState, "drop_lists", lambda *_: is_over.wait())
        swipes.apply(LATER[: LATER.index("  - {name: latest")], "latest")
        swipes.send(1)
        try:
            wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == 4)
            wait_for(lambda: swipes.elements_of("latest@1") == 0)  # they are swept
        finally:
            is_over.set()


@pytest.mark.long
def test_a_column_that_is_applied_while_it_runs_is_logged(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    with running(swipes) as run:
        swipes.send(2)
        wait_for(lambda: swipes.values() == {"amount_sum_1h": 102.0, "amount_count_1h": 3})
        swipes.apply(WIDER)
        wait_for(lambda: [of.reloads for of in run.reports] == [1])

        def is_logged() -> bool:
            """Whether the fee of one is; the turn that is under way may take the first ones without."""
            swipes.send(1, fee=0.5)
            return any(fee is not None for _, fee in fees(swipes))

        wait_for(is_logged)
        wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == swipes.sent + 1)
    found = fees(swipes)
    first = next(swipe for swipe, fee in found if fee is not None)
    wanted = [(swipe, None if swipe < first else 0.5) for swipe in range(1, swipes.sent + 1)]
    assert (found, first >= 3) == (wanted, True)


def fees(swipes: Swipes) -> list[tuple[int, float | None]]:
    """The events of the log by their numbers, with their fees."""
    with swipes.workspace() as workspace:
        log = workspace.event_log(workspace.repo.sources["swipes"])
        frames = [frame for frame in log.read_rows(log.open(), ["swipe", "fee"]) if frame.height]
    return sorted((swipe, fee) for frame in frames for swipe, fee in frame.rows())


@pytest.mark.long
def test_two_processes_follow_at_their_own_times(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    with running(swipes) as one, running(swipes) as two:
        for objects, removed in [(LATER, ()), (OBJECTS, ["latest"]), (WIDER, ()), (LATER, ()), (OBJECTS, ["latest"])]:
            swipes.send(5)
            swipes.apply(objects, *removed)
            wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == swipes.sent + 1)
        wait_for(lambda: swipes.logged() == swipes.sent)
        wait_for(lambda: {name for run in (one, two) for of in run.reports for name in of.partitions} == {0, 1, 2, 3})
    assert swipes.values() == {"amount_sum_1h": 125.0, "amount_count_1h": 26}
    assert not [line for line in one.said + two.said if "waits" in line]


@pytest.mark.long
def test_a_source_that_is_removed_ends_and_one_that_comes_begins(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    stream = OBJECTS[OBJECTS.index("  - name: swipes\n") : OBJECTS.index("  - name: swipes_files")]
    without = OBJECTS.replace(stream, "").replace("source: swipes\n", "source: swipes_files\n")
    with running(swipes) as run:
        swipes.send(1)
        wait_for(lambda: swipes.values() is not None)
        swipes.apply(without, "swipes")
        wait_for(lambda: "swipes: is applied no more: its work ends" in run.said)
        wait_for(lambda: swipes.logged() == 1)
        swipes.apply(OBJECTS)
        swipes.send(1)
        wait_for(lambda: swipes.values(view="spend@1") == {"amount_sum_1h": 102.0, "amount_count_1h": 3})


@pytest.mark.long
def test_a_registry_that_is_away_changes_nothing(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    with running(swipes) as run:
        swipes.send(1)
        wait_for(lambda: swipes.values() is not None)
        os.rename(tmp_path / "r.db", tmp_path / "away.db")  # noqa: PTH104
        wait_for(lambda: any("registry: is not followed" in line for line in run.said))
        with_old = tmp_path / "r.db"
        assert not with_old.exists() or with_old.stat().st_size == 0
        swipes.send_texts(swipes.event())
        wait_for(lambda: swipes.logged() == 2)
        (tmp_path / "away.db").rename(with_old)
        wait_for(lambda: "registry: is followed again" in run.said)


@pytest.mark.long
def test_a_version_is_answered_from_until_the_next_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(followed_streams, "KEPT_S", 1.0)
    swipes = Swipes(root=tmp_path)
    swipes.send(2)
    with running(swipes) as one, running(swipes) as two:
        wait_for(lambda: swipes.spends() == ["spend@1"])
        swipes.apply(OBJECTS.replace("source: swipes\n", "source: swipes\n    where: amount > 10\n"))
        seen = [["spend@1"]]

        def has_changed() -> bool:
            seen.append(swipes.spends())
            return seen[-1] == ["spend@2"]

        wait_for(has_changed)
        swipes.send(1, amount=20.0)
        wait_for(lambda: swipes.values(view="spend@2") == {"amount_sum_1h": 120.0, "amount_count_1h": 2})
        assert one.reports[0].reloads <= 3  # two versions, both, the newest
        swipes.apply(OBJECTS)  # and back: the first one is made again, of all events

        def has_gone_back() -> bool:
            seen.append(swipes.spends())
            return seen[-1] == ["spend@1"]

        wait_for(has_gone_back)
        wait_for(lambda: swipes.values(view="spend@1") == {"amount_sum_1h": 122.0, "amount_count_1h": 4})
    assert [] not in seen
    assert not [line for line in one.said + two.said if "waits" in line]
    assert swipes.logged() == 3
