"""Each way of reading views of streams gives the same values, statuses and instants, and those of a training set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isclose, isnan
from pathlib import Path

import polars as pl
import pytest

import featurectl
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us
from tests.seeds import seeds_from
from tests.streaming.random_shop import (
    RandomShop,
    Reading,
    as_json,
    by_async_client,
    by_client,
    by_get,
    by_http,
    rows_of,
    serving,
)

FEATURES = ["spend:*", "newest:*", "limits:*"]


def shop_in(folder: Path, seed: int, online: str = "sqlite:///on.db") -> RandomShop:
    shop = RandomShop(root=folder / "repo", seed=seed, online=online)
    shop.make()
    return shop


def without_nulls(found: Reading, names: object) -> Reading:
    """The rows of `get`, which takes no null, and the features of a view."""
    return {name: column[:-1] for name, column in found.items() if name in set(names)}  # type: ignore[call-overload]


def check_ways(shop: RandomShop, at: datetime | None = None) -> Reading:
    """What the waiting client reads; all other ways say the same."""
    found = by_client(shop.root, FEATURES, at)
    assert by_async_client(shop.root, FEATURES, at) == found
    with serving(shop.root) as client:
        assert client.get("/ready").status_code == 200
        answered = by_http(client, FEATURES, at)
    columns = {name: [*zip(of["values"], of["status"], strict=True)] for name, of in answered.items()}
    assert {name: [[*pair] for pair in column] for name, column in columns.items()} == as_json(found)
    for view in ("spend", "newest"):
        own = by_get(shop.root, view, at)
        assert without_nulls(found, own) == own
    return found


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-6) or (isnan(one) and isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and type(one) is type(other)


def check_training(shop: RandomShop, found: Reading, at: datetime) -> int:
    """Compare what was read as of an instant with a training set's rows of it; return how many values were."""
    assert shop.run("materialize") == 0
    rows = rows_of()
    spine = pl.DataFrame({"card": rows["card"], "day": rows["day"], "t": [at] * len(rows["card"])})
    spine = spine.with_columns(pl.col("t").cast(INSTANT))
    project = featurectl.open_project(shop.root)
    rows_made = project.training_set(features=["spend:*", "newest:*"], spine=spine, time="t").rows
    compared = 0
    for name, column in found.items():
        if name == "limit":
            continue
        for place, (read, truth) in enumerate(zip(column, rows_made[name].to_list(), strict=True)):
            empty_list = read.value == [] and truth is None
            assert same(read.value, truth) or empty_list, (name, rows["card"][place], read, truth)
            compared += 1
    return compared


def logged_asof(shop: RandomShop) -> datetime:
    """The instant up to which the log has all, which training sets answer."""
    from featurectl.workspace.open import open_workspace

    with open_workspace(shop.root, None, None, "unread") as workspace:
        state = workspace.event_log(workspace.repo.sources["swipes"]).open().state
    assert state.asof_us is not None
    return from_us(state.asof_us)


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("seed", seeds_from(0, 6))
def test_all_ways_of_reading_agree_with_a_training_set(tmp_path: Path, seed: int):
    shop = shop_in(tmp_path, seed)
    found = check_ways(shop)
    assert {read.asof_us for name, column in found.items() if name != "limit" for read in column} != {None}
    at = logged_asof(shop)
    assert check_training(shop, check_ways(shop, at), at) > 200


@pytest.mark.long
@pytest.mark.parametrize("store", ["redis_url", "redis_cluster_url", "postgres_url"])
def test_all_ways_of_reading_agree_on_servers(tmp_path: Path, store: str, request: pytest.FixtureRequest):
    shop = shop_in(tmp_path, 7, request.getfixturevalue(store))
    check_ways(shop)
    at = logged_asof(shop)
    assert check_training(shop, check_ways(shop, at), at) > 200


@pytest.mark.long
def test_values_of_now_and_of_later_are_those_of_asof(tmp_path: Path):
    shop = shop_in(tmp_path, 3)
    for _ in range(3):
        shop.send(30)
        shop.work()
        found = check_ways(shop)
        later = by_client(shop.root, FEATURES, datetime.now(UTC) + timedelta(days=30))
        own = {name: column for name, column in found.items() if name != "limit"}
        assert {name: later[name] for name in own} == own
