"""The prediction log: what is kept of predictions, and that it never stands in their way."""

# ruff: noqa: SLF001  # the thread, its clock and its chance

from __future__ import annotations

import functools
import threading

import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.serving.log import parquet
from featurectl.serving.log.parquet import ParquetLog
from tests.serving.clicks import FILES, NOW, build_clicks, request_rows, run, write_clicks


def logged(root):
    files = sorted((root / "off" / "clicks" / "predictions" / "logged" / "click" / "v1").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files]) if files else None


@pytest.fixture
def served(own_clicks, opened):
    run(own_clicks, "push", "--env", "logged")
    return own_clicks, opened(own_clicks, env="logged", timeout_s=20.0)


def log_of(client) -> ParquetLog:
    return client.app.context.predictions


def test_every_prediction_is_there_with_what_was_asked_read_and_answered(served):
    root, client = served
    rows = request_rows(5)
    answer = client.post("/v1/predict/click", json={"rows": rows, "return": ["features", "status"]}).json()
    client.post("/predict", json=rows[0])
    log_of(client).close()
    found = logged(root)
    assert found["score"].to_list() == [row["score"] for row in answer["rows"]] + [answer["rows"][0]["score"]]
    assert found.select("user", "merchant", "hour", "price").head(5).to_dicts() == rows
    for name in answer["rows"][0]["features"]:
        assert found[f"feature.{name}"].head(5).to_list() == [row["features"][name] for row in answer["rows"]]
    for name in answer["rows"][0]["status"]:
        assert found[f"status.{name}"].head(5).to_list() == [row["status"][name] for row in answer["rows"]]
    assert found["time"].unique().to_list() == [NOW]
    assert found["computed_at.spend@1"].unique().to_list() == [NOW]
    assert found["error"].null_count() == 6
    assert (found["latency_ms"] > 0).all()
    assert found["server"].unique().to_list() == [answer["server_name"]]


def test_a_prediction_that_fails_is_there_with_its_error(served):
    root, client = served
    answer = client.post("/v1/predict/click", json={"rows": [{**request_rows(1)[0], "hour": "noon"}]})
    assert answer.status_code == 400
    log_of(client).close()
    row = logged(root).row(0, named=True)
    assert (row["score"], row["error"]) == (None, answer.json()["detail"])
    assert row["user"] == request_rows(1)[0]["user"]


def test_by_whose_fault_a_prediction_failed_is_logged_and_counted(served):
    root, client = served
    post = functools.partial(client.post, "/v1/predict/click")
    assert post(json={"rows": request_rows(2)}).status_code == 200
    assert post(json={"rows": [{**request_rows(1)[0], "hour": "noon"}]}).status_code == 400

    async def fail(_requests):
        raise StoreError("it is gone", code="FC602")

    client.app.context.features.store.fetch = fail
    assert post(json={"rows": request_rows(1)}).status_code == 503
    log_of(client).close()
    found = logged(root).select("error", "fault", "store_failed").rows()
    assert found[:2] == [(None, None, None)] * 2
    assert [row[1:] for row in found[2:]] == [(False, False), (False, True)]
    told = client.get("/metrics").text
    for result in ("answered", "refused", "store"):
        assert f'featurectl_prediction_requests_total{{model="click",result="{result}"}} 1.0\n' in told
    assert 'featurectl_prediction_request_duration_seconds_count{model="click"} 3.0\n' in told


def test_the_rows_of_all_requests_of_a_file_are_made_columns_together(served, monkeypatch):
    """A data frame for each request took more of the processor than the request."""
    root, client = served
    made, series = [], parquet._series
    monkeypatch.setattr(parquet, "_series", lambda some, name, dtype: made.append(name) or series(some, name, dtype))
    rows = request_rows(20)
    for row in rows:
        client.post("/v1/predict/click", json={"rows": [row, {**row, "hour": 7}]})
        client.post("/v1/predict/click", json={"rows": [{**row, "hour": "noon"}]})
    log_of(client).close()
    assert sorted(made) == sorted(logged(root).columns)
    for name in ("user", "price"):
        assert logged(root)[name].to_list() == [row[name] for row in rows for _ in range(3)]
    assert [hour == 7 for hour in logged(root)["hour"]][1::3] == [True] * 20
    assert [error is None for error in logged(root)["error"]] == [True, True, False] * 20


def test_nothing_is_logged_where_no_log_is_asked_for(clicks, client):
    client.post("/v1/predict/click", json={"rows": request_rows(1)})
    assert log_of(client) is None
    assert not (clicks / "off" / "clicks" / "predictions").exists()


def test_rows_that_find_the_queue_full_are_left_out_and_counted(served, monkeypatch):
    _, client = served
    going = threading.Event()
    monkeypatch.setattr(parquet, "_ROWS_WAITING", 10)
    monkeypatch.setattr(ParquetLog, "_write", lambda *_: going.wait())
    log = log_of(client)
    log._every_s = 0.0
    for _ in range(5):
        assert client.post("/v1/predict/click", json={"rows": request_rows(4)}).status_code == 200
    assert 'featurectl_prediction_log_rows_total{result="dropped"} 12.0' in client.get("/metrics").text
    going.set()


def test_a_log_that_can_t_be_written_is_told_and_predictions_go_on(served, capsys):
    root, client = served
    (root / "off" / "clicks" / "predictions").write_text("no folder")
    assert client.post("/v1/predict/click", json={"rows": request_rows(4)}).status_code == 200
    log_of(client).close()
    assert "predictions of click@1 could not be logged" in capsys.readouterr().err
    assert client.post("/v1/predict/click", json={"rows": request_rows(4)}).status_code == 200
    assert 'featurectl_prediction_log_rows_total{result="failed"} 4.0' in client.get("/metrics").text


def test_a_panic_of_the_library_that_writes_ends_no_log(own_clicks, opened, monkeypatch):
    class PanicError(BaseException):
        pass

    def panic(*_):
        raise PanicError

    run(own_clicks, "push", "--env", "logged")
    client = opened(own_clicks, env="logged", timeout_s=20.0, judge_s=0.05)
    log, write = log_of(client), ParquetLog._write
    monkeypatch.setattr(ParquetLog, "_write", panic)
    client.post("/v1/predict/click", json={"rows": request_rows(2)})
    while 'featurectl_prediction_log_rows_total{result="failed"} 2.0' not in client.get("/metrics").text:
        assert log._thread.is_alive()
    monkeypatch.setattr(ParquetLog, "_write", write)
    client.post("/v1/predict/click", json={"rows": request_rows(3)})
    log.close()
    assert logged(own_clicks).height == 3


@pytest.mark.long
def test_columns_that_are_named_like_those_of_the_log_stand_beside_them(tmp_path, opened):
    root = write_clicks(tmp_path / "named")
    text = FILES["views.yaml"].replace("hour: int64, price: float64", "time: int64, score: float64")
    (root / "views.yaml").write_text(text.replace("price / amount", "score / amount"))
    asks = pl.read_parquet(root / "asks.parquet").rename({"hour": "time", "price": "score"})
    asks.write_parquet(root / "asks.parquet")
    build_clicks(root)
    run(root, "push", "--env", "logged")
    client = opened(root, env="logged", timeout_s=20.0)
    rows = [
        {"time" if k == "hour" else "score" if k == "price" else k: v for k, v in r.items()} for r in request_rows(3)
    ]
    answer = client.post("/v1/predict/click", json={"rows": rows}).json()
    log_of(client).close()
    found = logged(root)
    assert found["score"].to_list() == [row["score"] for row in answer["rows"]]
    assert found["time"].to_list() == [NOW] * 3
    for name in ("score", "time"):
        assert found[f"request.{name}"].to_list() == [row[name] for row in rows]


def test_a_share_of_the_requests_is_kept(own_clicks, opened):
    path = own_clicks / "featurectl.yaml"
    path.write_text(path.read_text().replace("sample: 1.0", "sample: 0.25"))
    client = opened(own_clicks, env="logged", timeout_s=20.0)
    log_of(client)._random.seed(3)
    for _ in range(80):
        client.post("/v1/predict/click", json={"rows": request_rows(1)})
    log_of(client).close()
    assert 8 <= logged(own_clicks).height <= 32
