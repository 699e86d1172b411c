"""What is read online is what the log says as of the answer's instant, whoever worked on the events."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from featurectl.online.all_stores import open_stream_state
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.seeds import seeds_from
from tests.streaming.conveyor import Conveyor
from tests.streaming.topics.kinds import SqliteKind

SAMPLE, WHOLE = 3, 200


@pytest.fixture
def conveyor(tmp_path: Path) -> Callable[[int], Conveyor]:
    def made(seed: int) -> Conveyor:
        folder = tmp_path / str(seed)
        folder.mkdir()
        return Conveyor(
            random=Random(seed),
            broker=open_topics(f"sqlite:///{folder / 'streams.db'}"),
            open_state=lambda clock: open_stream_state(f"sqlite:///{folder / 'online.db'}", clock=clock),
            folder=folder,
        )

    return made


def play(conveyor: Conveyor, steps: int) -> int:
    try:
        for _ in range(steps):
            conveyor.step()
        conveyor.drain()
        wrong, compared = conveyor.wrong()
    finally:
        conveyor.close()
    assert (wrong, conveyor.failures) == ([], 0)
    assert conveyor.switches >= 3
    assert min(conveyor.sent[kind] for kind in ("late", "repeated", "bad")) > 0
    assert len(conveyor.answered) > conveyor.unanswered
    return compared


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds_from(0, SAMPLE))
@pytest.mark.sample(1)
def test_what_is_read_is_what_the_log_says(conveyor: Callable[[int], Conveyor], seed: int):
    assert play(conveyor(seed), 300) > 80


@pytest.mark.parametrize("store", ["redis_url", "valkey_url", "redis_cluster_url", "postgres_url"])
@pytest.mark.long
def test_what_is_read_of_servers_is_what_the_log_says(request: pytest.FixtureRequest, tmp_path: Path, store: str):
    url = request.getfixturevalue(store)
    made = Conveyor(
        random=Random(7),
        broker=open_topics(f"sqlite:///{tmp_path / 'streams.db'}"),
        open_state=lambda clock: open_stream_state(url, clock=clock),
        folder=tmp_path,
        project=f"shop{time.time_ns()}",
    )
    assert play(made, 600) > 300


@pytest.mark.stress
@pytest.mark.parametrize("seed", seeds_from(SAMPLE, WHOLE))
def test_what_is_read_is_what_the_log_says_in_many_histories(conveyor: Callable[[int], Conveyor], seed: int):
    """Each takes a quarter of a minute: one that fails, or a run that is cut, tells of the others."""
    assert play(conveyor(seed), 2_000) > 200


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds_from(0, 12))
def test_a_store_that_was_emptied_is_filled_from_the_log(conveyor: Callable[[int], Conveyor], seed: int):
    made = conveyor(seed)

    def empty() -> None:
        for path in made.folder.glob("online.db*"):
            path.unlink()

    refilled(made, empty)


def refilled(made: Conveyor, empty: Callable[[], None]) -> None:
    """Play a history in which the store loses all that it has."""
    try:
        for _ in range(200):
            made.step()
        empty()
        made.seedings.clear()
        lost, switches = len(made.answered), made.switches
        for _ in range(300):
            made.step()
        made.drain()
        wrong, compared = made.wrong()
        assert wrong == []
        assert made.switches >= switches + 3
        assert (len(made.answered) > lost + 20, compared > 50) == (True, True)
    finally:
        made.close()


def remakes(made: Conveyor, steps: int) -> int:
    """Play a history in which the topic is made again three times, and return how many values were compared."""
    try:
        for _ in range(4):
            for _ in range(steps // 4):
                made.step()
            if made.remade < 3:
                made.remake(lambda: SqliteKind(made.folder / "streams.db").remove("swipes"))
        made.drain()
        wrong, compared = made.wrong()
        assert wrong == []
        assert made.switches >= 3
        logged = {str(row["_partition"]).split("#")[1] for row in made.logged()}
        assert len(logged) in (3, 4)  # one may go before a commit that is done beside has come to its end
    finally:
        made.close()
    return compared


@pytest.mark.parametrize("seed", seeds_from(0, 3))
@pytest.mark.long
def test_what_is_read_of_a_topic_that_was_made_again_is_in_the_log(conveyor: Callable[[int], Conveyor], seed: int):
    assert remakes(conveyor(seed), 400) > 50


@pytest.mark.stress
@pytest.mark.parametrize("seed", seeds_from(8, 60))
def test_what_is_read_of_many_topics_made_again_is_in_the_log(conveyor: Callable[[int], Conveyor], seed: int):
    assert remakes(conveyor(seed), 2_000) > 150
