"""Histories of the simulation, played on real stores and judged by the same oracle: no answer is wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from featurectl.online.redis.slots import slot_of
from featurectl.online.stream_state.base import StreamSource
from tests.online.stream_state.conftest import url_of
from tests.online.stream_state.real_store import RealStore, us
from tests.seeds import seeds_from
from tests.servers.cluster import SLOTS
from tests.streaming.model.history import History, Verdict

STEPS, WHOLE_STEPS = 800, 5_000
# On a Cluster the first of three masters has the register, as in the simulation.
ON_FIRST_MASTER = next(name for name in map("swipes{}".format, range(100)) if slot_of(name.encode()) < SLOTS // 3)


QUICK = ["sqlite", "redis_url", "redis_cluster_url", "valkey_url"]


@pytest.fixture(params=[*QUICK, "postgres_url"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of each kind; TLS is none that makes a difference here."""
    return url_of(request, tmp_path)


def played(opened, source, losses, seed: int, steps: int) -> Verdict:
    of = StreamSource(project=f"{source.project}x{seed}", env="dev", source=ON_FIRST_MASTER)
    stores: list[RealStore] = []
    state = opened(lambda: us(stores[0].clock()) if stores and hasattr(stores[0], "clock") else 0)
    stores.append(RealStore(state, of, losses(of)))
    try:
        return History(seed, stores[0], loses=True, remakes=seed % 2 == 0, steps=steps).run()
    finally:
        for link in stores[0].links:
            link.connection.close()
        state.close()


def verdicts_of(opened, source, losses, seeds: range, steps: int) -> dict[int, Verdict]:
    return {seed: played(opened, source, losses, seed, steps) for seed in seeds}


def wrong_in(verdicts: dict[int, Verdict]) -> dict[int, str]:
    return {seed: verdict.wrong[0] for seed, verdict in verdicts.items() if verdict.wrong}


@pytest.mark.long
@pytest.mark.sample(2)
def test_no_answer_of_a_real_store_is_wrong(opened, source, losses):
    assert wrong_in(verdicts_of(opened, source, losses, seeds_from(0, 1), STEPS)) == {}


@pytest.mark.long
@pytest.mark.parametrize("url", QUICK, indirect=True)
def test_no_answer_of_a_real_store_is_wrong_in_whole_histories(opened, source, losses):
    """Nor is a history one of nothing: there are lost races of compactors, rebuilds, repeats and losses."""
    verdicts = verdicts_of(opened, source, losses, seeds_from(1, 6), WHOLE_STEPS)
    assert wrong_in(verdicts) == {}
    total: Counter[str] = Counter()
    for verdict in verdicts.values():
        total += Counter({name: getattr(verdict, name) for name in Verdict.__slots__ if name != "wrong"})
    assert min(total[name] for name in ("compactions", "lost_races", "losses", "switches", "repeats", "remakes")) > 0
    assert total["reads"] > total["unanswered"] / 2


@pytest.mark.stress
def test_no_answer_of_a_real_store_is_wrong_in_many_histories(opened, source, losses):
    assert wrong_in(verdicts_of(opened, source, losses, seeds_from(6, 200), WHOLE_STEPS)) == {}
