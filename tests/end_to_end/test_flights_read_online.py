"""What applications read after a push as of t is what a training set has at t: every view, on each store."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl
import pytest

from tests.end_to_end.compare import Compared, compare_values
from tests.end_to_end.declared import airport_side, read_views
from tests.end_to_end.flights import ASKED_FROM, ROWS_TO, SOURCES, Repository
from tests.end_to_end.readers import open_readers
from tests.end_to_end.served import add_online, requests_at

SEED = 17
STORES = ("sqlite", "redis", "postgres")
READERS = 3


@pytest.fixture(params=STORES)
def store_url(request, tmp_path) -> str:
    """The URL of a store that has nothing of the flights in this environment."""
    if request.param != "sqlite":
        return request.getfixturevalue(f"{request.param}_url")
    return f"sqlite:///{tmp_path / 'online.db'}"


def add_own_online(repository: Repository, url: str) -> str:
    """Give a repository an environment over a store, of a name that no run of this test has had, and return it."""
    env = f"e{uuid.uuid4().hex[:12]}"
    add_online(repository, env, url)
    return env


def some_instants(repository: Repository, count: int) -> list[datetime]:
    """Return instants in order, many of them the very ones at which something happened or became known."""
    chance = random.Random(SEED)
    known = [
        moment
        for name, event in SOURCES.items()
        for clock in (event, "available_at")
        for moment in repository.rows(name)[clock].drop_nulls().sample(40, seed=SEED).to_list()
    ]
    known = [moment for moment in known if ASKED_FROM <= moment < ROWS_TO - timedelta(hours=1)]
    between = [ASKED_FROM + (ROWS_TO - ASKED_FROM) * chance.random() for _ in range(count)]
    return sorted(chance.sample(known, count - count // 3) + between[: count // 3])


def as_json(expected: Sequence[object], found: Sequence[object]) -> list[object]:
    """Return values of JSON in the types of those expected: instants are texts there."""
    pairs = zip(found, expected, strict=True)
    return [datetime.fromisoformat(f) if isinstance(e, datetime) and isinstance(f, str) else f for f, e in pairs]


def check_reads(repository: Repository, env: str, instants: Sequence[datetime], entities: int) -> None:
    """Push as of each instant in turn, read every view by every reader, compare with one training set."""
    asked = [requests_at(repository, at, entities - 4, SEED) for at in instants]
    spine = repository.root / "asked.parquet"
    pl.concat(asked).write_parquet(spine)
    made = repository.training_set("everything", "--spine", str(spine), "--env", env)
    repository.run("push", "--env", env, "--as-of", instants[0].isoformat())
    total = Compared()
    with open_readers(repository, env) as readers:
        for at, rows, row in zip(instants, asked, range(0, made.height, entities), strict=True):
            repository.run("push", "--env", env, "--as-of", at.isoformat())
            for view in read_views(repository.root).values():
                keys = {key: airport_side(view) if key == "airport" else key for key in view.join}
                columns = {key: rows[name].to_list() for key, name in keys.items()}
                for reader, values in readers.read([f"{view.name}:*"], columns, at).items():
                    assert list(values) == view.features
                    for name, ours in values.items():
                        theirs = made[f"{view.name}__{name}"][row : row + entities].to_list()
                        same = compare_values(as_json(theirs, ours), theirs)
                        assert same.different == 0, f"{reader}, {view.name}:{name} at {at}"
                        total += same
    features = made.select(pl.col("^.*__.*$"))
    assert total.cells == READERS * len(instants) * entities * features.width
    known = 1 - sum(features.null_count().row(0)) / (features.width * features.height)
    print(f"{total.cells:,} cells compared, {known:.0%} of them not null")  # noqa: T201  # for who runs it with -s
    assert known > 0.75
    assert all(features[name].null_count() < features.height for name in features.columns)


@pytest.mark.long
def test_what_is_read_after_a_push_is_what_a_training_set_has(flights, tmp_path, store_url):
    repository = flights.copy(tmp_path / "flights")
    env = add_own_online(repository, store_url)
    check_reads(repository, env, some_instants(repository, 2), 60)


@pytest.mark.stress
def test_what_is_read_after_each_of_many_pushes_is_what_a_training_set_has(all_flights, tmp_path, store_url):
    repository = all_flights.copy(tmp_path / "flights")
    env = add_own_online(repository, store_url)
    check_reads(repository, env, some_instants(repository, 20), 500)
