"""`POST /v1/features`."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from types import SimpleNamespace

import polars as pl
import pytest

from featurectl.api.project import open_project
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, are_present
from featurectl.serving.routes.features import finite_values, present_documents
from featurectl.serving.timed_store_reads import Features

SPEND = ["spend:count_1d", "spend:count_7d", "spend:amount_sum_7d", "spend:merchant_last_lifetime", "spend:mean_7d"]


def ask(client, **body):
    return client.post("/v1/features", json=body)


def features(client, **body):
    answer = ask(client, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["features"]


def test_values_are_those_of_the_project_and_every_value_has_a_status(client, clicks):
    users = list(range(64))
    found = features(client, features=["spend:*"], entities={"user": users})
    expected = open_project(clicks).get("spend", pl.DataFrame({"user": users}))
    assert list(found) == [
        "count_1d",
        "count_7d",
        "amount_sum_7d",
        "amount_max_7d",
        "merchant_last_lifetime",
        "mean_7d",
    ]
    for name, column in found.items():
        assert column["values"] == expected[name].to_list(), name
        assert len(column["status"]) == 64
    assert found["count_7d"]["status"][60:] == ["NOT_FOUND"] * 4
    assert found["count_7d"]["values"][60:] == [0] * 4


def test_a_state_is_present_null_expired_or_not_found_or_a_default(client):
    found = features(client, features=["profile:tier", "profile:age"], entities={"user": list(range(60))})
    assert set(found["tier"]["status"]) == {"PRESENT", "NULL", "EXPIRED", "NOT_FOUND"}
    for value, status, defaulted in zip(*(found["tier"][k] for k in ("values", "status", "defaulted")), strict=True):
        assert (value == "none") == defaulted == (status != "PRESENT")
    assert "defaulted" not in found["age"]


def test_instants_and_dates_are_texts(client):
    found = features(client, features=["profile:born", "profile:joined"], entities={"user": list(range(20))})
    born = next(value for value in found["born"]["values"] if value)
    joined = next(value for value in found["joined"]["values"] if value)
    assert (len(born), joined[10], joined[-1]) == (10, "T", "Z")


def test_version_event_time_computed_at_and_age_are_told_on_request(client):
    column = features(client, features=["spend:count_7d"], entities={"user": [1, 63]})["count_7d"]
    assert set(column) == {"values", "status"}
    told = ["version", "event_time", "age", "computed_at"]
    column = features(client, features=["spend:count_7d"], entities={"user": [1, 63]}, **{"return": told})["count_7d"]
    assert column["version"] == 1
    assert column["computed_at"] == ["2026-01-08T00:00:00Z"] * 2
    assert column["event_time"][1] is column["age_seconds"][1] is None
    assert column["age_seconds"][0] > 0


def test_a_composite_key_is_read_by_all_its_columns_and_a_null_is_nobody(client):
    found = features(client, features=["bond:count_7d"], entities={"user": [1, None], "merchant": ["m1", "m1"]})
    assert found["count_7d"]["values"][1] is None
    assert isinstance(found["count_7d"]["values"][0], int)


def test_the_features_of_a_model_are_asked_for_by_its_name(client):
    body = ask(client, model="click", entities={"user": [1], "merchant": ["m1"]}).json()
    assert (body["model"], body["version"]) == ("click", 1)
    assert list(body["features"]) == ["count_7d", "amount_sum_7d", "mean_7d", "tier", "age", "bond_count_7d"]


def test_what_is_read_as_of_an_earlier_instant_was_not_known_then(client):
    asked = ["spend:count_7d", "profile:tier"]
    body = ask(client, features=asked, entities={"user": [1, 2]}, time="2025-01-01T00:00:00Z").json()
    assert {tuple(column["status"]) for column in body["features"].values()} == {("NOT_FOUND", "NOT_FOUND")}
    told = "has nothing as early as 2025-01-01T00:00:00Z of 2 rows: the online store keeps the newest values alone"
    assert body["warnings"] == [f"spend@1 {told}", f"profile@1 {told}"]
    assert "warnings" not in ask(client, features=asked, entities={"user": [1, 63]}, time="2026-01-08T00:00:00Z").json()


def test_an_instant_of_another_zone_is_told_in_utc(client):
    body = ask(client, features=["spend:count_7d"], entities={"user": [1]}, time="2026-01-08T23:00:00+23:00").json()
    assert body["timestamp"] == "2026-01-08T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"features": SPEND}, 400, "missing required field `entities`"),
        ({"entities": {"user": [1]}}, 400, "give `model` or `features`"),
        ({"entities": {"user": [1]}, "features": SPEND, "model": "click"}, 400, "one of them"),
        ({"entities": {"user": [1]}, "features": []}, 400, "length >= 1"),
        ({"entities": {"user": [1]}, "features": ["spend"]}, 400, "'spend' is not view:feature"),
        ({"entities": {"user": [1]}, "features": ["spent:*"]}, 404, "no feature view 'spent'"),
        ({"entities": {"user": [1]}, "features": ["spend:x"]}, 404, "has no feature 'x'"),
        ({"entities": {"user": [1]}, "model": "clock"}, 404, "no model 'clock'"),
        ({"entities": {"user": [1], "merchant": ["m"]}, "model": "click", "version": 9}, 404, "no version '9'"),
        ({"entities": {"users": [1]}, "features": SPEND}, 400, "key user is missing"),
        ({"entities": {"user": ["a"]}, "features": SPEND}, 400, "key user: 'a' is no int64"),
        ({"entities": {"user": [1, 2], "merchant": ["m"]}, "features": SPEND}, 400, "user 2, merchant 1"),
        ({"entities": {"user": []}, "features": SPEND}, 400, "0 rows"),
        ({"entities": {"user": [1] * 1001}, "features": SPEND}, 400, "1,001 rows; 1 to 1,000"),
        ({"entities": {"user": [2**70]}, "features": SPEND}, 400, "is no int64"),
        ({"entities": {"user": [1]}, "features": SPEND, "time": "yesterday"}, 400, "$.time"),
        ({"entities": {"user": [1]}, "features": SPEND, "time": "0001-01-01T00:00:00+14:00"}, 400, "time: 0001-01-01"),
        ({"entities": {"user": [1]}, "features": SPEND, "time": "9999-12-31T23:59:59-01:00"}, 400, "time: 9999-12-31"),
        ({"entities": {"user": [1]}, "features": SPEND, "return": ["all"]}, 400, "$.return"),
        ({"entities": {"user": [1]}, "featurs": SPEND}, 400, "unknown field `featurs`"),
        ({"entities": {"user": [1]}, "features": SPEND, "version": 1}, 400, "version: it is that of a model"),
        ({"entities": {"user": [1]}, "features": SPEND, "version": "champion"}, 400, "version: it is that of a model"),
        ({"entities": {"user": [1]}, "features": SPEND, "version": None}, 400, "$.version"),
        ({"entities": {"user": [1], "merchant": ["m"]}, "model": "click", "version": []}, 400, "$.version"),
        ({"entities": {"user": [1]}, "features": SPEND, "rows": []}, 400, "unknown field `rows`"),
    ],
)
def test_bad_input_is_refused_with_its_place(client, body, status, told):
    answer = ask(client, **body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert told in problem["detail"]
    if told == "key user is missing":
        assert problem["hint"] == 'did you mean "user" by "users"? keys: user'


def test_views_with_features_of_one_name_are_asked_for_in_a_request_each(client):
    entities = {"user": [1], "merchant": ["m"]}
    answer = ask(client, features=["spend:*", "bond:*"], entities=entities)
    assert (answer.status_code, answer.json()["code"]) == (400, "FC516")
    each = "ask for those of bond apart from those of spend"
    assert answer.json()["hint"] == f"an answer names features without their views: {each}"
    assert [ask(client, features=[f"{view}:*"], entities=entities).status_code for view in ("spend", "bond")] == [
        200
    ] * 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"entities": {"user": [1e999]}}']
)
def test_a_body_that_is_no_request_is_refused(client, content):
    answer = client.post("/v1/features", content=content)
    assert answer.status_code == 400
    assert "can't be read" in json.loads(answer.content)["detail"]


@pytest.mark.parametrize(
    ("value", "is_finite"), [(1.5, True), ("a", True), (7, True), (math.nan, False), (math.inf, False)]
)
def test_a_row_with_all_features_is_answered_at_once_if_json_has_them(value, is_finite):
    column = FeatureColumn(None, [value], ["PRESENT"], [False], [0], [0])
    columns = {"first": column._replace(values=[1]), "second": column}
    found = FeatureColumns(columns=columns, count=1, now=datetime.now(UTC), is_present=True)
    one, other = {"values": [1], "status": ["PRESENT"]}, {"values": [value], "status": ["PRESENT"]}
    assert present_documents(found) == ({"first": one, "second": other} if is_finite else None)


@pytest.mark.parametrize("seed", range(200))
def test_columns_are_answered_without_what_json_has_not(seed):
    random = Random(seed)
    numbers = [1.5, 0.0, -2.5, 1e308, -1e308, None, None]
    others = [math.nan, math.inf, -math.inf] if seed % 2 else [3.5]
    kinds = [numbers, [*numbers, *others], [1, None, 2**62], ["a", None], [True, False], [Decimal("1.5"), None]]
    values = [random.choice(random.choice([numbers, kinds[seed % 6]])) for _ in range(random.choice([1, 2, 30]))]
    statuses = [random.choice(["PRESENT", "NULL"]) for _ in values]
    column = FeatureColumn(None, values, statuses, [False] * len(values), values, values)
    gone = [isinstance(value, float) and repr(value) in ("nan", "inf", "-inf") for value in values]
    shown, said = finite_values(column)
    assert [*shown] == [None if none else value for none, value in zip(gone, values, strict=True)]
    assert [*said] == ["NULL" if none else status for none, status in zip(gone, statuses, strict=True)]


@pytest.mark.parametrize("seed", range(50))
def test_columns_are_present_where_every_value_of_each_is(seed):
    random = Random(seed)
    lists = [[random.random() < 0.05 for _ in range(9)] for _ in range(4)]
    columns = []
    for _ in range(random.randrange(6)):
        absent, defaulted = random.choice([lists[0], *lists]), random.choice(lists)
        statuses = ["NULL" if one else "PRESENT" for one in absent]
        columns.append(FeatureColumn(None, [1] * 9, statuses, defaulted, [0] * 9, [0] * 9))
    columns += columns[:2]
    values = [pair for each in columns for pair in zip(each.statuses, each.defaulted, strict=True)]
    assert are_present(columns) == ({*values} <= {("PRESENT", False)})


class Counts(dict):
    """Counters by their label, as those of Prometheus."""

    def labels(self, label):
        return SimpleNamespace(inc=lambda more=1: self.update({label: self.get(label, 0) + more}))


@pytest.mark.parametrize("seed", range(50))
def test_values_are_counted_by_their_statuses(seed):
    random, counts = Random(seed), Counts()
    rows = random.choice([1, 9])
    shared = ["PRESENT"] * rows
    columns = {
        f"f{i}": FeatureColumn(None, shared, statuses, shared, shared, shared)
        for i in range(6)
        for statuses in [random.choice([shared, [random.choice(["PRESENT", "NULL", "EXPIRED"]) for _ in range(rows)]])]
    }
    is_present = all(column.statuses == shared for column in columns.values())
    found = FeatureColumns(columns=columns, count=rows, now=datetime.now(UTC), is_present=is_present)
    Features(None, SimpleNamespace(values=counts, lists=Counts()), None)._count(found)  # noqa: SLF001
    counts = {status: count for status, count in counts.items() if count}
    assert counts == Counter(status for column in columns.values() for status in column.statuses)
