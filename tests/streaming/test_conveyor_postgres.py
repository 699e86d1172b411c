"""What is read of PostgreSQL is what the log says as of the answer's instant, in histories of any kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from featurectl.online.all_stores import open_stream_state
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.online.stream_state.losses import PostgresLosses
from tests.seeds import seeds_from
from tests.streaming.conveyor import Conveyor
from tests.streaming.test_conveyor import play, refilled, remakes


@pytest.fixture
def conveyor(tmp_path: Path, postgres_url: str) -> Callable[[int], Conveyor]:
    def made(seed: int) -> Conveyor:
        return Conveyor(
            random=Random(seed),
            broker=open_topics(f"sqlite:///{tmp_path / 'streams.db'}"),
            open_state=lambda clock: open_stream_state(postgres_url, clock=clock),
            folder=tmp_path,
        )

    return made


@pytest.mark.stress
@pytest.mark.parametrize("seed", seeds_from(100, 160))
def test_what_is_read_of_postgres_is_what_the_log_says(conveyor: Callable[[int], Conveyor], seed: int):
    assert play(conveyor(seed), 2_000) > 200


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.stress) for seed in seeds_from(1, 30))])
@pytest.mark.long
def test_a_postgres_that_was_emptied_is_filled_from_the_log(
    conveyor: Callable[[int], Conveyor], seed: int, postgres_url: str
):
    refilled(conveyor(seed), lambda: PostgresLosses(postgres_url).restore(0))


@pytest.mark.parametrize("steps", [400, pytest.param(2_000, marks=pytest.mark.stress)])
@pytest.mark.long
def test_what_is_read_of_postgres_of_topics_made_again(conveyor: Callable[[int], Conveyor], steps: int):
    assert remakes(conveyor(steps), steps) > steps // 13
