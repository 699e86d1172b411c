"""`featurectl.open_client` and `open_async_client`: what applications read, on SQLite and on a real Redis."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

# ruff: noqa: SLF001  # counts the round trips of its store

from __future__ import annotations

import asyncio
import shutil
import uuid
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

import featurectl
from featurectl.core.errors import DataError, UsageError
from featurectl.online.client import read_steps
from tests.end_to_end.compare import compare_values
from tests.serving.clicks import NOW, build_clicks, request_rows, run, write_clicks

USERS = list(range(64))
SPEND = ["count_1d", "count_7d", "amount_sum_7d", "amount_max_7d", "merchant_last_lifetime", "mean_7d"]


@pytest.fixture(scope="session")
def clicks(tmp_path_factory):
    """The repository, applied, materialized and trained; not to be changed."""
    return build_clicks(write_clicks(tmp_path_factory.mktemp("read clicks") / "repo"))


@pytest.fixture(scope="session")
def in_redis(clicks, tmp_path_factory, redis_url):
    """The repository with an environment in Redis, pushed; its name is new in each run."""
    return pushed(shutil.copytree(clicks, tmp_path_factory.mktemp("redis") / "repo"), redis_url)


def pushed(root, url):
    env, files = f"e{uuid.uuid4().hex[:12]}", root / "featurectl.yaml"
    line = f'  {env}: {{registry: "sqlite:///r.db", offline: off, online: "{url}", now: "2026-01-08T00:00:00Z"}}\n'
    files.write_text(files.read_text() + line)
    run(root, "push", "--env", env)
    return root, env


class Waiting:
    """A client that waits."""

    def __init__(self, root, env):
        self.client = featurectl.open_client(root, env)
        self.get, self.inputs = self.client.get, self.client.inputs
        self.reload, self.close = self.client.reload, self.client.close


class GivingWay:
    """A client for an event loop, asked from outside of it."""

    def __init__(self, root, env):
        self._loop = asyncio.Runner()
        self.client = featurectl.open_async_client(root, env, budget_s=60.0)
        self.reload = self.client.reload

    def get(self, *asked, **more):
        return self._loop.run(self.client.get(*asked, **more))

    def inputs(self, *asked, **more):
        return self._loop.run(self.client.inputs(*asked, **more))

    def close(self):
        self._loop.run(self.client.close())
        self._loop.close()


@pytest.fixture(params=[Waiting, GivingWay], ids=["sync", "async"])
def kind(request):
    return request.param


@pytest.fixture(params=["sqlite", "redis"])
def place(request):
    """A repository and the name of one of its environments."""
    return (
        request.getfixturevalue("in_redis") if request.param == "redis" else (request.getfixturevalue("clicks"), "dev")
    )


@pytest.fixture
def client(kind, place):
    with ExitStack() as stack:
        made = kind(*place)
        stack.callback(made.close)
        yield made


def test_features_are_read_by_name_with_status_and_instants(client, place):
    found = client.get(["spend:count_7d", "profile:tier"], {"user": USERS})
    project = featurectl.open_project(*place)
    for view, name in (("spend", "count_7d"), ("profile", "tier")):
        assert found.values()[name] == project.get(view, pl.DataFrame({"user": USERS}))[name].to_list()
    tier = found.columns["tier"]
    assert set(tier.statuses) == {"PRESENT", "NULL", "EXPIRED", "NOT_FOUND"}
    assert [value == "none" for value in tier.values] == tier.defaulted
    assert (found.count, found.now, tier.source.online.version) == (64, NOW, 1)
    assert [us is None for us in tier.event_us] == [status == "NOT_FOUND" for status in tier.statuses]


def test_all_features_of_a_view_are_asked_for_by_a_star(client):
    found = client.get(["spend:*"], {"user": [1]})
    assert list(found.columns) == SPEND


@pytest.mark.parametrize("name", ["click", "click@1", "click@champion"])
def test_the_features_of_a_model_are_asked_for_by_its_name(client, name):
    found = client.get(name, {"user": [1, 2], "merchant": ["m1", "m2"]})
    assert list(found.columns) == ["count_7d", "amount_sum_7d", "mean_7d", "tier", "age", "bond_count_7d"]


def test_a_composite_key_is_all_of_its_columns_and_a_null_in_it_is_nobody(client, place):
    keys = {"user": [1, None, 1, 1], "merchant": ["m1", "m1", None, "nowhere"]}
    found = client.get(["bond:count_7d"], keys).columns["count_7d"]
    expected = featurectl.open_project(*place).get("bond", pl.DataFrame(keys))["count_7d"].to_list()
    assert found.values == expected
    assert found.values[1:] == [None, None, 0]
    assert found.statuses[1:] == ["NOT_FOUND"] * 3


def test_views_with_one_key_are_one_look_up_and_schemas_are_learnt_once(client, monkeypatch):
    asked, shared = [], []
    store = client.client._store
    fetch, fetch_shared = store.fetch, store.fetch_shared
    monkeypatch.setattr(store, "fetch", lambda asks: (asked.append(asks), fetch(asks))[1])
    monkeypatch.setattr(store, "fetch_shared", lambda *of: (shared.extend(of[2]), fetch_shared(*of))[1])
    features = ["spend:count_7d", "profile:age", "spend:mean_7d"]
    client.get(features, {"user": USERS})
    client.get(features, {"user": USERS})
    assert [[(ask.fields, len(ask.keys)) for ask in asks] for asks in asked] == [[(("spend@1", "profile@1"), 64)]] * 2
    schemas = [name for name in shared if name.startswith("schema/")]
    assert sorted(name.rpartition("/")[0] for name in schemas) == ["schema/profile@1", "schema/spend@1"]


def test_the_record_of_a_push_is_read_once_a_second(client, monkeypatch):
    shared, clock = [], [100.0]
    store = client.client._store
    fetch_shared = store.fetch_shared
    monkeypatch.setattr(store, "fetch_shared", lambda *of: (shared.extend(of[2]), fetch_shared(*of))[1])
    monkeypatch.setattr(read_steps, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    for clock[0] in (100.0, 100.5, 100.99, 101.0, 101.5, 102.0):
        client.get(["spend:count_7d"], {"user": [1]})
    assert shared.count("push/spend@1") == 3


@pytest.mark.parametrize(
    ("features", "entities", "error", "told"),
    [
        (["spent:*"], {"user": [1]}, UsageError, "no feature view 'spent'"),
        (["spend:x"], {"user": [1]}, UsageError, "has no feature 'x'"),
        (["spend"], {"user": [1]}, UsageError, "'spend' is not view:feature"),
        (["spend:count_7d", "bond:count_7d"], {"user": [1], "merchant": ["m"]}, UsageError, "two features named"),
        ("clock", {"user": [1]}, UsageError, "no model 'clock'"),
        ("click@9", {"user": [1]}, UsageError, "no version '9'"),
        (["spend:*"], {"users": [1]}, DataError, "key user is missing"),
        (["spend:*"], {"user": ["a", "b"]}, DataError, "key user: 'a' is no int64 (2 of 2 rows, first at row 1)"),
        (["bond:*"], {"user": [1, 2], "merchant": ["m"]}, UsageError, "different lengths: user 2, merchant 1"),
        (["spend:*"], {"user": 1}, UsageError, "user: 1 is no list of values"),
        (["spend:*"], {"user": "ab"}, UsageError, "user: 'ab' is no list of values"),
        (["spend:*"], {"user": [2**20_000]}, DataError, "key user: an integer of thousands of digits is no int64"),
        (["spend:*"], {"user": ["9" * 10**6]}, DataError, f"key user: '{'9' * 99}... is no int64"),
        (["bond:*"], {"user": [1], "merchant": ["\ud800"]}, DataError, "key merchant: '\\ud800' is no string"),
        ("click@\N{SUPERSCRIPT TWO}", {"user": [1]}, UsageError, "no version '\N{SUPERSCRIPT TWO}'"),
        ("click@" + "9" * 5_000, {"user": [1]}, UsageError, "no version '999"),
    ],
)  # fmt: skip
@pytest.mark.sample(30)
def test_what_can_not_be_answered_is_refused_in_words(client, features, entities, error, told):
    with pytest.raises(error) as refused:
        client.get(features, entities)
    assert told in refused.value.message
    assert client.get(["spend:count_7d"], {"user": [1]}).count == 1


@pytest.mark.parametrize(
    ("features", "hint"),
    [
        (
            ["spend:*", "bond:count_7d"],
            "an answer names features without their views: ask for those of bond apart from those of spend",
        ),
        (["spend:*", "spend:count_7d"], "name it once: spend:* is all features of the view"),
    ],
)
def test_features_of_one_name_are_refused_with_what_can_be_done(client, features, hint):
    with pytest.raises(UsageError, match="two features named 'count_7d'") as refused:
        client.get(features, {"user": [1], "merchant": ["m"]})
    assert (refused.value.code, refused.value.hint) == ("FC516", hint)
    for asked in (["spend:*"], ["bond:count_7d"]):
        assert client.get(asked, {"user": [1], "merchant": ["m"]}).count == 1


def test_no_rows_are_no_rows(client):
    assert client.get(["spend:count_7d"], {"user": []}).values() == {"count_7d": []}


def test_columns_of_frames_and_arrays_are_taken_as_they_are(client):
    expected = client.get(["spend:count_7d"], {"user": USERS}).values()
    column = pl.Series("user", USERS)
    assert client.get(["spend:count_7d"], {"user": column}).values() == expected
    assert client.get(["spend:count_7d"], {"user": column.to_numpy()}).values() == expected
    assert client.get(["spend:count_7d"], {"user": list(column.to_numpy())}).values() == expected


def test_an_earlier_instant_sees_no_later_push_and_a_later_expires_states(client):
    entities = {"user": USERS}
    before = client.get(["spend:count_7d"], entities, at=NOW - timedelta(days=1)).columns["count_7d"]
    assert (set(before.statuses), set(before.values)) == ({"NOT_FOUND"}, {None})
    later = client.get(["profile:age"], entities, at=NOW + timedelta(days=9))
    assert set(later.columns["age"].statuses) == {"EXPIRED", "NOT_FOUND"}
    assert later.now == NOW + timedelta(days=9)
    with pytest.raises(UsageError, match="has no time zone"):
        client.get(["spend:count_7d"], entities, at=datetime(2026, 1, 8))


def test_inputs_of_a_model_are_those_of_its_training_set(client, place):
    rows = pl.DataFrame(request_rows(200)).with_columns(pl.lit(NOW).alias("at"))
    made = featurectl.open_project(*place).training_set("click", spine=rows).rows
    found = client.inputs("click", rows.drop("at").to_dict(as_series=False))
    assert list(found) == [
        "count_7d", "amount_sum_7d", "mean_7d", "tier", "age", "bond_count_7d", "hour", "price", "price_share",
    ]  # fmt: skip
    for name, column in found.items():
        assert compare_values(column, made[name].to_list()).different == 0, name


def test_inputs_lack_no_column_and_fit_their_types(client):
    row = {"user": [1], "merchant": ["m1"], "hour": [3], "price": [2.0]}
    expected = client.inputs("click", row)
    assert client.inputs("click", {**row, "hour": ["3"], "price": [2], "more": ["x"]}) == expected
    with pytest.raises(DataError, match="column price is missing"):
        client.inputs("click", {name: row[name] for name in ("user", "merchant", "hour")})
    with pytest.raises(DataError, match=r"column hour: 3\.5 is no int64"):
        client.inputs("click", {**row, "hour": [3.5]})


@pytest.mark.long
def test_what_was_applied_and_trained_since_is_read_after_a_reload(kind, clicks, tmp_path):
    root = shutil.copytree(clicks, tmp_path / "repo")
    row = {"user": [1], "merchant": ["m1"], "hour": [3], "price": [2.0]}
    with ExitStack() as stack:
        client = kind(root, "dev")
        stack.callback(client.close)
        first = client.inputs("click", row)
        text = (root / "views.yaml").read_text()
        text = text.replace("{op: count, windows: [1d, 7d]}", "{op: count, windows: [1d, 7d, 3d]}")
        text = text.replace(
            "[{name: price_share,", '[{name: asked, expr: "extract(hour from asof)"}, {name: price_share,'
        )
        (root / "views.yaml").write_text(text)
        run(root, "apply", "--auto-approve")
        run(root, "materialize")
        run(root, "train", "click")
        for name in (["spend:count_3d"], "click@2"):
            with pytest.raises(UsageError):
                client.get(name, row)
        client.reload()
        assert client.get(["spend:count_3d"], row).columns["count_3d"].statuses == ["PRESENT"]
        assert client.inputs("click@2", row, at=NOW + timedelta(hours=5))["asked"] == [5]
        assert client.inputs("click@1", row) == first


def test_a_closed_client_answers_nothing(kind, place):
    client = kind(*place)
    row = {"user": [1], "merchant": ["m1"], "hour": [3], "price": [2.0]}
    client.inputs("click", row)
    if kind is GivingWay:
        client._loop.run(client.client.close())
    else:
        client.close()
    for use in (lambda: client.get(["spend:*"], row), lambda: client.inputs("click", row), client.reload):
        with pytest.raises(UsageError, match="the client is closed"):
            use()
    client.close()


def test_clients_close_at_the_end_of_their_block(place):
    async def read():
        async with featurectl.open_async_client(*place, budget_s=60.0) as client:
            return (await client.get(["spend:count_7d"], {"user": USERS})).values()

    with featurectl.open_client(*place) as client:
        assert client.get(["spend:count_7d"], {"user": USERS}).values() == asyncio.run(read())


def test_many_reads_of_a_loop_at_once_each_get_their_own(place):
    async def read():
        async with featurectl.open_async_client(*place, budget_s=60.0) as client:
            many = [client.get(["spend:*", "profile:age"], {"user": [user, user + 1]}) for user in USERS]
            return [found.values() for found in await asyncio.gather(*many)]

    with featurectl.open_client(*place) as client:
        alone = [client.get(["spend:*", "profile:age"], {"user": [user, user + 1]}).values() for user in USERS]
    assert asyncio.run(read()) == alone


def test_an_instant_of_a_read_is_one(client):
    for at, told in (("2026-01-08", "no datetime"), (datetime(2026, 1, 8), "no time zone")):
        with pytest.raises(UsageError, match=told):
            client.get(["profile:age"], {"user": USERS}, at=at)


def test_an_instant_to_take_as_now_has_a_time_zone(clicks):
    with featurectl.open_client(clicks, as_of=NOW + timedelta(days=9)) as client:
        assert "PRESENT" not in client.get(["profile:age"], {"user": USERS}).columns["age"].statuses
    for opening in (featurectl.open_client, featurectl.open_async_client):
        with pytest.raises(UsageError, match="has no time zone"):
            opening(clicks, as_of=datetime(2026, 1, 8))
        with pytest.raises(UsageError, match="no environment 'nowhere'"):
            opening(clicks, "nowhere")
