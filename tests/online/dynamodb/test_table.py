"""The table of a store: when it is made, what lies in it, and what is said of one that does not fit."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Ask, Writing
from featurectl.online.codec import HEADER_BYTES, pack_key
from featurectl.online.dynamodb.items import item_bytes, row_item, view_shards
from tests.online.dynamodb.faults import Faults
from tests.online.rows import HOUR, T0, frame, view
from tests.servers.dynamodb import DynamoServer, table_of


def made(server: DynamoServer, url: str, key: str = "p", sort: str = "k") -> None:
    """Make a table by hand."""
    server.client().create_table(
        TableName=table_of(url),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"},
            {"AttributeName": sort, "AttributeType": "B"},
        ],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}],
    )


@pytest.mark.long
def test_reading_makes_nothing_and_the_first_write_a_table(dynamodb_server, dynamodb_url):
    of, client, table = view({"n": "int64"}), dynamodb_server.client(), table_of(dynamodb_url)
    with closing(open_online(dynamodb_url)) as store:
        assert (store.prepared(of.project, of.env), store.read(of, [["a"]])) == (frozenset(), [None])
        assert (store.count(of), store.count_rows(of), store.read_push_record(of)) == (0, 0, None)
        assert [pair for page in store.walk(of) for pair in page] == []
        assert store.keep_only(of, frame(of, [["a"]], [[1]]).select("customer"), T0) == 0
        store.remove(of)
        store.clock()
        assert table not in client.list_tables()["TableNames"]
        store.write(of, frame(of, [["a"]], [[1]]))
    found = client.describe_table(TableName=table)["Table"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "t")


def test_the_items_are_as_documented(dynamodb_server, dynamodb_url):
    of = view({"n": "int64"}, {"origin": "string", "dest": "string"}, project="shop")
    until = datetime.now(UTC) + timedelta(days=1)
    with closing(open_online(dynamodb_url)) as store:
        store.write_all(of, [frame(of, [["EWR", "JFK"]], [[1]], computed_at=T0 + HOUR)], Writing(kept_until=until))
        [[(row,)]] = store.fetch([Ask(project="shop", env="dev", fields=("spend@1",), keys=[b"s3:EWRs3:JFK"])])
    items = dynamodb_server.client().scan(TableName=table_of(dynamodb_url))["Items"]
    by_place = {(item["p"]["S"], item["k"]["B"]): item for item in items}
    schema_id = int.from_bytes(row[1:3], "big")
    rest = {"r": {"B": row}, "e": {"B": row[3:24]}, "c": {"B": row[17:24]}}
    found = by_place.pop(("shop/dev/spend@1/f", b"s3:EWRs3:JFK"))
    assert {name: value for name, value in found.items() if name not in "pkt"} == rest
    assert 0 <= int(found["t"]["N"]) - until.timestamp() < 1
    assert by_place.pop(("shop/dev", b"count/spend@1"))["n"] == {"N": "1"}
    assert '"features"' in by_place.pop(("shop/dev", f"schema/spend@1/{schema_id}".encode()))["d"]["S"]
    assert by_place == {}


@pytest.mark.long
def test_a_table_with_other_keys_is_refused_with_those_that_it_needs(dynamodb_server, dynamodb_url):
    made(dynamodb_server, dynamodb_url, "pk", "sk")
    of = view({"n": "int64"})
    with closing(open_online(dynamodb_url)) as store:
        for use in (lambda: store.prepare(of), lambda: store.read(of, [["a"]])):
            with pytest.raises(StoreError, match="refuses: ") as caught:
                use()
            assert caught.value.code == "FC602"
            assert "partition key p, a string, and the sort key k, binary" in caught.value.hint


@pytest.mark.long
def test_a_table_of_the_user_is_used_as_it_is(dynamodb_server, dynamodb_url):
    made(dynamodb_server, dynamodb_url)
    of = view({"n": "int64"})
    with closing(open_online(dynamodb_url)) as store:
        faults = Faults(store.bytes.link)
        assert store.write(of, frame(of, [["a"]], [[1]])) == 1
        assert not {"CreateTable", "UpdateTimeToLive", "DescribeTable"} & set(faults.sent)


@pytest.mark.long
def test_who_may_make_no_table_learns_how_it_is_made(dynamodb_url):
    with closing(open_online(dynamodb_url)) as store:
        faults = Faults(store.bytes.link)
        denied = ("com.amazon.coral.service#AccessDeniedException", 400)
        faults.refused = lambda operation, _: denied if operation == "CreateTable" else None
        with pytest.raises(StoreError, match="has no table, and none may be made here") as caught:
            store.prepare(view({"n": "int64"}))
        assert "partition key p (string) and sort key k (binary)" in caught.value.hint
        faults.refused = lambda _operation, _: denied
        with pytest.raises(StoreError, match="refuses: made for a test") as caught:
            store.read(view({"n": "int64"}), [["a"]])
        assert "the user or role needs BatchGetItem, " in caught.value.hint


@pytest.mark.long
@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("UpdateTimeToLive", "has its table now, but may not put TTL on it here: made for a test"),
        ("DescribeTable", "has its table now, but may not see here whether it is ready: made for a test"),
    ],
)
def test_a_table_that_was_made_without_all_rights_is_said_and_used_then(dynamodb_url, operation, what):
    of = view({"n": "int64"})
    with closing(open_online(dynamodb_url)) as store:
        faults = Faults(store.bytes.link)
        denied = ("com.amazon.coral.service#AccessDeniedException", 400)
        faults.refused = lambda asked, _: denied if asked == operation else None
        with pytest.raises(StoreError, match=what) as caught:
            store.write(of, frame(of, [["a"]], [[1]]))
        assert caught.value.code == "FC602"
        assert "aws dynamodb update-time-to-live --table-name " in caught.value.hint
        assert store.read(of, [["a"]]) == [None]
        assert store.write(of, frame(of, [["a"]], [[1]])) == 1
        assert (store.count(of), store.count_rows(of)) == (1, 1)


@pytest.mark.parametrize(
    ("length", "what"), [(410_000, "it has 4"), (4, "its key has 1,025 bytes, DynamoDB takes 1,024")]
)
@pytest.mark.sample(1)
def test_a_row_that_is_too_large_is_named_and_nothing_beside_it_is_written(dynamodb_url, length, what):
    of = view({"text": "string"})
    key = "b" if length > 1_000 else "b" * (1_025 - len("s1025:"))
    with closing(open_online(dynamodb_url)) as store:
        with pytest.raises(DataError, match=rf"a row is too large for the online store: spend@1 customer=b+: {what}"
        ) as caught:  # fmt: skip
            store.write(of, frame(of, [["a"], [key]], [["x"], ["y" * length]]))
        assert caught.value.code == "FC618"
        assert store.read(of, [["a"], [key]]) == [None, None]


@pytest.mark.long
def test_a_row_of_just_the_largest_size_is_written_and_read(dynamodb_url):
    of, size = view({"text": "string"}), 404_000  # moto has a limit of its own of 405,000
    with closing(open_online(dynamodb_url)) as store:
        assert store.write(of, frame(of, [["a"]], [["y" * size]])) == 1
        assert store.read(of, [["a"]])[0].values == {"text": "y" * size}


def test_the_size_of_an_item_is_counted_with_its_names():
    of = view({"n": "int64"})
    key, row = pack_key(["a"], ["string"]), bytes(HEADER_BYTES + 10)
    item = row_item(view_shards(of), key, row, None)
    assert item_bytes(item) == len("pkrec") + len(f"{of.project}/dev/spend@1/0") + len(key) + len(row) + 21 + 7
    assert item_bytes(row_item(view_shards(of), key, row, 1_800_000_000)) == item_bytes(item) + 9


@pytest.mark.long
def test_an_item_of_another_program_is_a_broken_row_of_its_entity_alone(dynamodb_server, dynamodb_url):
    of, client = view({"n": "int64"}), dynamodb_server.client()
    with closing(open_online(dynamodb_url)) as store:
        store.write(of, frame(of, [["a"], ["b"]], [[1], [1]]))
        place = {**row_item(view_shards(of), b"s1:a", bytes(30), None)}
        bad = {"p": place["p"], "k": place["k"], "r": {"S": "no bytes"}}
        client.put_item(TableName=table_of(dynamodb_url), Item=bad)
        ask = Ask(project=of.project, env=of.env, fields=("spend@1",), keys=[b"s1:a", b"s1:b"])
        [[(broken,), (row,)]] = store.fetch([ask])
        assert (broken, row is not None) == (b"", True)
        with pytest.raises(StoreError, match="broken row: spend@1 customer=a"):
            store.read(of, [["a"]])
        store.write(of, frame(of, [["a"]], [[2]]))  # has no instants, so that anything is newer
        assert store.read(of, [["a"]])[0].values == {"n": 2}


@pytest.mark.long
def test_versions_whose_names_begin_alike_are_told_apart(dynamodb_url):
    of = view({"n": "int64"})
    tenth = replace(of, version=10)
    with closing(open_online(dynamodb_url)) as store:
        store.write(tenth, frame(tenth, [["a"]], [[1]]))
        store.remove(of)
        assert store.prepared(of.project, of.env) == {("spend", 10)}
        store.write(of, frame(of, [["a"]], [[2]]))
        store.remove(of)
        assert (store.count(tenth), store.read(tenth, [["a"]])[0].values) == (1, {"n": 1})
