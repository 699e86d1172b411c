"""`POST /v1/predict/{model}` and the flat `POST /predict`."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from featurectl.online.client.model_inputs import InputReader
from featurectl.serving.scoring import score
from tests.serving.clicks import NOW, request_rows, run

KEYS = (("user",), ("user", "merchant"))


def scores(client, rows, **body):
    answer = client.post("/v1/predict/click", json={"rows": rows, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("inline", [0, 10_000], ids=["beside the loop", "in it"])
def test_scores_are_those_of_batch_scoring(client, clicks, tmp_path, monkeypatch, inline):
    monkeypatch.setattr(score, "_INLINE_ROWS", inline)
    rows = request_rows(300)
    spine, out = tmp_path / "spine.parquet", tmp_path / "scores.parquet"
    pl.DataFrame(rows).with_columns(pl.lit(NOW).alias("at")).write_parquet(spine)
    run(clicks, "score", "click", "--spine", str(spine), "--out", str(out))
    expected = pl.read_parquet(out)["p_click"].to_list()
    found = scores(client, rows)
    assert [row["score"] for row in found["rows"]] == pytest.approx(expected, abs=1e-6)
    assert len({round(score, 6) for score in expected}) > 20
    assert (found["model"], found["version"], found["timestamp"]) == ("click", 1, "2026-01-08T00:00:00Z")
    assert found["server_name"]
    assert found["latency_ms"] > 0


@pytest.mark.parametrize(("version", "shown"), [("1", "1"), ("champion", '"champion"')])
def test_a_version_in_the_place_of_a_name_is_told_where_it_goes(client, version, shown):
    (row,) = request_rows(1)
    asked = client.post(f"/v1/predict/click@{version}", json={"rows": [row]})
    flat = client.post("/predict", json={"model": f"click@{version}", **row})
    for answer, key in ((asked, "version"), (flat, "model_version")):
        assert answer.status_code == 404
        assert answer.json()["hint"] == f'model click, with "{key}": {shown} in the body'


def test_features_and_statuses_are_returned_on_request(client):
    (row,) = scores(client, request_rows(1), **{"return": ["features", "status"]})["rows"]
    assert set(row["features"]) >= {"count_7d", "tier", "hour", "price", "price_share", "bond_count_7d"}
    assert row["status"]["count_7d"] == "PRESENT"
    assert "hour" not in row["status"]
    assert set(scores(client, request_rows(1))["rows"][0]) == {"score"}


def test_a_version_is_asked_for_by_number_or_alias(client):
    rows = request_rows(2)
    expected = scores(client, rows)["rows"]
    assert scores(client, rows, version=1)["rows"] == expected
    assert scores(client, rows, version="champion")["rows"] == expected


def test_a_row_of_which_the_store_has_nothing_is_warned_of(client):
    nobody = {"user": 63, "merchant": "m1", "hour": 1, "price": 2.0}
    body = scores(client, [nobody])
    assert body["warnings"] == ["click@1: 1 row of which the online store has nothing, first count_7d"]
    (known,) = request_rows(1)
    body = scores(client, [known, nobody, nobody | {"user": None, "merchant": "nowhere"}])
    assert body["unknown"] == [
        {"row": 1, "keys": {"user": 63}},
        {"row": 1, "keys": {"user": 63, "merchant": "m1"}},
        {"row": 2, "keys": {"user": None}},
        {"row": 2, "keys": {"user": None, "merchant": "nowhere"}},
    ]
    assert client.post("/predict", json=nobody).json()["unknown"] == [item | {"row": 0} for item in body["unknown"][:2]]
    assert "unknown" not in scores(client, [known]) | client.post("/predict", json=known).json()


def test_an_entity_that_has_only_later_rows_is_not_unknown_but_warned_of(client):
    nobody = {"user": 63, "merchant": "m1", "hour": 1, "price": 2.0}
    body = scores(client, [*request_rows(1), nobody], time="2025-01-01T00:00:00Z")
    views = [text.split("@")[0] for text in body["warnings"] if "has nothing as early as 2025-01-01T00:00:00Z" in text]
    assert sorted(views) == ["bond", "profile", "spend"]
    assert "unknown" not in body
    assert {item["feature"] for item in body["missing"]} >= {"count_7d", "tier", "bond_count_7d"}


def test_features_that_are_expired_or_not_there_are_named_with_their_rows(client):
    asked = [{"user": user, "merchant": "m1", "hour": 1, "price": 2.0} for user in range(64)]
    body = scores(client, asked, **{"return": ["status"]})
    unknown = {(item["row"], tuple(item["keys"])) for item in body["unknown"]}
    expected = Counter(
        (name, status)
        for place, row in enumerate(body["rows"])
        for name, status in row["status"].items()
        if status in ("EXPIRED", "NOT_FOUND") and (place, KEYS[name == "bond_count_7d"]) not in unknown
    )
    assert {name for name, status in expected} >= {"tier", "age"}
    assert {(item["feature"], item["status"]): item["rows"] for item in body["missing"]} == expected
    (place,) = [i for i, row in enumerate(body["rows"]) if row["status"]["tier"] == "EXPIRED"][:1]
    told = [{"feature": name, "status": "EXPIRED", "rows": 1} for name in ("tier", "age")]
    flat = client.post("/predict", json=asked[place]).json()
    assert [item for item in flat["missing"] if item["status"] == "EXPIRED"] == told
    whole = next(
        row for row, found in zip(asked, body["rows"], strict=True) if set(found["status"].values()) == {"PRESENT"}
    )
    assert "missing" not in client.post("/predict", json=whole).json()


def test_values_are_cast_when_nothing_is_lost(client):
    row = {"user": 1, "merchant": "m1", "hour": 3, "price": 2.0}
    expected = scores(client, [row])["rows"]
    assert scores(client, [{**row, "hour": 3.0, "price": 2, "other": "x"}])["rows"] == expected
    assert scores(client, [{**row, "hour": "3", "price": "2"}])["rows"] == expected


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/predict/click", {"entities": {"user": [1]}}, "/v1/predict/MODEL takes rows"),
        ("/v1/features", {"features": ["spend:*"], "rows": [{"user": 1}]}, "/v1/features takes columns"),
    ],
)
def test_rows_and_entities_are_told_apart_by_a_hint(client, path, body, told):
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["hint"].startswith(told)) == (400, True), answer.text


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"rows": [{"user": 1}]}, 400, "have no 'merchant', first row 1"),
        ({"rows": []}, 400, "length >= 1"),
        ({"rows": [{"user": 1, "merchant": "m", "hour": 3.5, "price": 1}]}, 400, "column hour: 3.5 is no int64"),
        ({"rows": [{"user": "u", "merchant": "m", "hour": 3, "price": 1}]}, 400, "key user: 'u' is no int64"),
        ({"rows": [{"user": 1, "merchant": "m", "hour": [3], "price": 1}]}, 400, "$.rows[0]"),
        ({"rows": request_rows(1001)}, 400, "1,001 rows"),
        ({"rows": request_rows(1), "version": "challenger"}, 404, "no version 'challenger'"),
        ({"rows": request_rows(1), "version": "\N{SUPERSCRIPT TWO}"}, 404, "no version '\N{SUPERSCRIPT TWO}'"),
        ({"rows": request_rows(1), "versions": 1}, 400, "unknown field `versions`"),
    ],
)
def test_bad_input_is_refused_with_its_place(client, body, status, told):
    answer = client.post("/v1/predict/click", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert told in answer.json()["detail"]


def test_a_misspelt_column_of_a_row_is_named(client):
    answer = client.post("/v1/predict/click", json={"rows": [{"user": 1, "mercahnt": "m"}]})
    assert answer.json()["hint"].startswith('did you mean "merchant" by "mercahnt"? every row has ')


def test_an_unknown_model_is_not_found(client):
    answer = client.post("/v1/predict/clock", json={"rows": request_rows(1)})
    assert (answer.status_code, answer.json()["hint"]) == (404, 'did you mean "click"? applied models: click')


def test_the_flat_form_scores_one_row(client):
    row = request_rows(1)[0]
    body = client.post("/predict", json={**row, "features": ["tier", "price"], "model_version": "1"}).json()
    assert body["score"] == scores(client, [row])["rows"][0]["score"]
    assert (body["model_id"], body["user"], body["merchant"]) == ("click@1", row["user"], row["merchant"])
    assert list(body["features"]) == ["tier", "price"]
    assert body["server_name"]
    assert len(client.post("/predict", json=row).json()["features"]) == 9


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        ({"features": ["x"]}, 404, "has no feature 'x'"),
        ({"features": "tier"}, 400, "a list of names"),
        ({"model_version": "7"}, 404, "no version '7'"),
        ({"model": "clock"}, 404, "no model 'clock'"),
        ({"hour": ["1"]}, 400, "hour: one value"),
        ({"price": "cheap"}, 400, "column price: 'cheap' is no float64"),
    ],
)
def test_bad_input_of_the_flat_form_is_refused(client, more, status, told):
    answer = client.post("/predict", json={**request_rows(1)[0], **more})
    assert (answer.status_code, told in answer.json()["detail"]) == (status, True), answer.text


def test_a_column_named_as_a_member_of_the_answer_does_not_replace_it(client, monkeypatch):
    row = request_rows(1)[0]
    expected = scores(client, [row])["rows"][0]["score"]
    columns = [*client.app.context.project.models["click", 1].reader.columns, "score"]
    monkeypatch.setattr(InputReader, "columns", columns)
    assert client.post("/predict", json={**row, "score": 7}).json()["score"] == expected
