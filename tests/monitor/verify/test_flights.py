"""On the flights: what a server answers for real flights, and all of the online store, equal the offline tables."""

from __future__ import annotations

import json
import random

import polars as pl
import pytest
from starlette.testclient import TestClient

from featurectl.cli.main import main
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.workspace.open import open_workspace
from tests.monitor.verify.shop import run, verified

ROWS, A_REQUEST = 5_000, 100


@pytest.mark.stress
def test_nothing_differs_on_the_flights(tmp_path, capsys):
    root = tmp_path / "flights"
    assert main(["init", str(root), "-q"]) == 0
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    run(root, "train", "late_arrival")
    with TestClient(open_app(ServeSettings(root=str(root), timeout_s=20.0))) as client:
        rows = _rows(root, client)
        for start in range(0, ROWS, A_REQUEST):
            answer = client.post("/v1/predict/late_arrival", json={"rows": rows[start : start + A_REQUEST]})
            assert answer.status_code == 200, answer.text
    code, result = verified(root, capsys)
    (report,) = result["models"]
    assert (code, report["replayed"], report["left_out"]) == (0, ROWS, {})
    assert all(skew["compared"] == ROWS for skew in report["features"])
    code, result = verified(root, capsys, "--store", "--all")
    assert code == 0
    views = {view["view"]: view for view in result["views"]}
    assert all(view["entities"] >= max(view["online_rows"], 1) for view in views.values())
    assert views["flight_arrivals"]["online_rows"] > 5_000


def _rows(root, client) -> list[dict]:
    """Return what the model asks for of flights that were drawn."""
    (model,) = [m for m in client.get("/v1/models").json()["models"] if m["model"] == "late_arrival"]
    with open_workspace(root, None, None) as workspace:
        spine = workspace.repo.models["late_arrival"].spine.source
        flights = workspace.source(spine)
        frame = flights.scan(flights.parts()).collect()
    names = [column["name"] if isinstance(column, dict) else column for column in model["columns"]]
    for item in spine.select:
        if item.name in names and item.name not in frame.columns:
            frame = frame.with_columns(pl.sql_expr(item.expression.text).alias(item.name))
    some = frame.sample(ROWS, seed=random.Random(3).randrange(100)).select(names)
    return json.loads(some.write_json())
