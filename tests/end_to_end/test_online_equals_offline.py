"""After any sequence of appends and pushes, what is read online is what a training set has at that instant."""

from __future__ import annotations

import random
import uuid

import polars as pl
import pytest

from featurectl.core.units import HOUR_US
from featurectl.engines.base import ViewBuckets
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.online.all_stores import open_online
from featurectl.online.read import read_features
from featurectl.online.row_places import online_view
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import push_view
from tests.online.compared import assert_columns_equal_answers
from tests.online.views import UTC_US, add, at, derive, event_view, latest, push_request, state_view, table, window
from tests.seeds import seeds_from

INPUTS = {"amount": "int64", "city": "string"}
CUSTOMERS = "abcdef"
ENTITIES = [*CUSTOMERS, "nobody"]
AGE = {"sum_4": "int64", "amount": "int64"}

VIEWS = {
    "state": state_view(
        [latest("amount", "int64"), latest("city", "string", default="nowhere")],
        derived=[
            derive("more", "amount + 1", AGE, "int64", default=0),
            derive("again", "more * 2 + amount", AGE | {"more": "int64"}, "int64"),
        ],
    ),
    "state with ttl": state_view(
        [latest("amount", "int64", fill_last=True), latest("city", "string")],
        ttl_h=5,
        derived=[derive("hour", "extract(hour from asof) + amount", AGE, "int64")],
    ),
    "windows": event_view(
        [
            window("n", "count", 3, "int64", None),
            window("sum_4", "sum", 4, "int64", default=-1),
            window("shifted", "count", 2, "int64", None, offset_us=2 * HOUR_US),
            window("cities", "last_n", 6, "list(string)", "city", n=2),
        ],
        derived=[derive("hour", "extract(hour from asof) + sum_4", AGE, "int64")],
    ),
    "hops": event_view([window("n", "count", 4, "int64", None)], hop_us=HOUR_US),
    "lifetime": event_view([window("n", "count", None, "int64", None), window("last", "last", 5, "int64")]),
}


def some_rows(chance: random.Random, hour: float):
    """Return rows around an hour: late ones, some of the future, ties, nulls."""
    rows = []
    for _ in range(chance.randrange(6)):
        event = hour + chance.randrange(-8, 3)
        available = event if chance.random() < 0.5 else event + chance.randrange(-2, 6)
        values = {"amount": chance.choice([None, 1, 2, 4, 8]), "city": chance.choice([None, "Oslo", "Rome"])}
        rows.append((chance.choice(CUSTOMERS), event, available, values))
    return rows


def offline(view, rows, now):
    """Return the values of a training set whose spine asks for every entity at now."""
    engine = PolarsEngine(1)
    spine = pl.DataFrame({"customer": ENTITIES}).with_columns(pl.lit(now, UTC_US).alias("t"))
    answers = engine.answer(ViewBuckets(view=view, buckets=1, read=lambda _: rows.read()), spine, "t")
    return engine.finish(answers, view, spine["t"], {}).rows()


def online(store, view, now, project="p"):
    where, asked = online_view(view, 1, project, "dev"), [[e] for e in ENTITIES]
    answers = read_features(store, view, where, asked, now)
    assert_columns_equal_answers(store, view, where, asked, now, answers)
    return [tuple(found.value for found in answer.values.values()) for answer in answers]


def check_history(view, seed, store, project="p"):
    chance = random.Random(seed)
    rows, hour = table(view, some_rows(chance, 0), INPUTS), 0.0
    for _ in range(8):
        hour += chance.choice([0, 0.5, 1, 3, 7])
        if chance.random() < 0.5:
            add(rows, view, some_rows(chance, hour), INPUTS)
        push_view(push_request(store, view, rows, hour, project))
        assert online(store, view, at(hour), project) == offline(view, rows, at(hour)), f"seed {seed}, hour {hour}"
    store.close()


@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.sample(2)
def test_reading_after_a_push_gives_the_training_set_s_values(kind, tmp_path):
    for seed in range(2):
        check_history(VIEWS[kind], seed, SqliteStore(tmp_path / f"{seed}.db"))


SERVERS = ["redis_url", "redis_tls_url", "valkey_url", "redis_cluster_url", "postgres_url", "dynamodb_url"]
OFTEN = {"state with ttl", "windows"}  # asked of the other servers
ASKED = [
    pytest.param(kind, server, marks=[] if server == "redis_url" or kind in OFTEN else pytest.mark.stress)
    for server in SERVERS
    for kind in VIEWS
]


@pytest.mark.parametrize(("kind", "server"), ASKED)
@pytest.mark.sample(4)
def test_it_does_on_every_server(kind, server, request):
    url = request.getfixturevalue(server)
    check_history(VIEWS[kind], 1, open_online(url), f"p{uuid.uuid4().hex}")


@pytest.mark.parametrize("kind", ["state", "state with ttl"])
def test_a_state_read_later_is_the_training_set_s_at_the_moment_of_reading(kind, tmp_path):
    """As long as no row became true or known since the push: only the ttl and `asof` move."""
    view = VIEWS[kind]
    for seed in range(4):
        chance = random.Random(seed)
        past = [(key, event - 20, available - 20, found) for key, event, available, found in some_rows(chance, 9)]
        store, rows = SqliteStore(tmp_path / f"{seed}.db"), table(view, past, INPUTS)
        push_view(push_request(store, view, rows, 0, "p"))
        for hour in range(8):
            assert online(store, view, at(hour)) == offline(view, rows, at(hour)), f"seed {seed}, hour {hour}"
        store.close()


@pytest.mark.stress
@pytest.mark.parametrize("kind", VIEWS)
def test_many_histories_of_pushes(kind, tmp_path):
    for seed in seeds_from(1_000, 1_300):
        check_history(VIEWS[kind], seed, SqliteStore(tmp_path / f"{seed}.db"))
