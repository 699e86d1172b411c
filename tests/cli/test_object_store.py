"""A project in a real object store: every command that keeps or reads a model, and what refusals say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import obstore
import polars as pl
import pytest
from obstore.store import from_url
from starlette.testclient import TestClient

from featurectl.models.artifact import read_artifact
from featurectl.monitor.alerts.request_rows import RequestWindow, read_requests
from featurectl.monitor.canary.log import CanaryLog
from featurectl.operations.prediction_log.log_files import open_log
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.workspace.open import open_workspace
from tests import web
from tests.model_shop import Shop, objects, open_shop, write_files
from tests.monitor.canary.test_log import row
from tests.monitor.canary.test_verdict import RUN
from tests.servers.redis import free_port
from tests.serving.process import running

OFFLINE = "offline: off"
LOGGED = "prediction_log: {sample: 1.0}"
ROWS = [{"k": f"k{number}"} for number in range(5)]


@pytest.fixture(scope="module")
def made(tmp_path_factory, bucket_server):
    """The project's folder and its location, applied, materialized and trained; not to be changed."""
    root, location = tmp_path_factory.mktemp("shop"), bucket_server.location()
    write_files(root, objects())
    file = root / "featurectl.yaml"
    file.write_text(file.read_text().replace(OFFLINE, f"offline: {location}/, {LOGGED}"))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in bucket_server.environ.items():
            patched.setenv(name, value)
        patched.chdir(root)
        shop = Shop(root, _Silent())
        for words in (
            ("apply", "--auto-approve"),
            ("materialize",),
            ("train", "m", "--again"),
            ("train", "m", "--again"),
        ):
            shop.run(*words)
    return root, location


class _Silent:
    """Stands for `capsys`, which no fixture of a module can have."""

    def readouterr(self) -> None:
        """Say nothing."""


@pytest.fixture
def shop(made, bucket, monkeypatch, capsys):  # noqa: ARG001  # after this fixture
    with open_shop(made[0], monkeypatch, capsys) as opened:
        yield opened


@pytest.mark.usefixtures("bucket")
@pytest.mark.long
def test_nothing_of_a_project_in_a_bucket_lies_in_a_folder(made):
    root, location = made
    kinds = {item["path"].split("/")[0] for some in obstore.list(from_url(location)) for item in some}
    assert kinds == {"models", "shop"}
    assert {path.name for path in root.iterdir() if path.is_dir()} <= {".featurectl", "__pycache__"}


@pytest.mark.long
def test_a_model_in_a_bucket_is_listed_shown_promoted_and_scored(shop):
    assert "champion" in shop.run("models", "list").out
    assert shop.run("models", "show", "m", "--card").out.startswith("# m\n")
    shop.run("models", "promote", "m@2")
    shop.run("models", "rollback", "m")
    shop.run("score", "m", "--out", "scores.parquet")
    shop.run("training-set", "m", "--out", "rows.parquet")
    assert pl.read_parquet("scores.parquet").height == pl.read_parquet("rows.parquet").height == 40
    assert "the same bytes" in shop.run("train", "m", "--from-version", "1").out


def test_rows_are_compared_with_a_profile_in_a_bucket(shop):
    assert "None of 4 drifts." in shop.run("monitor", "drift", "m", "--batch", "s", "--min-rows", "10").out


@pytest.mark.long
def test_a_model_is_exported_from_a_bucket_and_imported_into_it(shop):
    shop.run("models", "export", "m", "--out", "exported")
    version, location = shop.version()
    exported = (shop.root / "exported" / "model.txt").read_bytes()
    assert exported == read_artifact(location, version.artifact, version.artifact_sha256)
    shop.run("models", "import", "m", "--file", "exported/model.txt")
    imported, _ = shop.version(3)
    assert read_artifact(location, imported.artifact, imported.artifact_sha256) == exported


def test_every_file_of_a_version_is_named_by_its_digest(shop):
    version, location = shop.version()
    for path, sha256 in (
        (version.artifact, version.artifact_sha256),
        (version.onnx, version.onnx_sha256),
        (version.golden, version.golden_sha256),
        (version.judged, version.judged_sha256),
        (version.card, version.card_sha256),
        (version.profile, version.profile_sha256),
    ):
        assert path.startswith(f"models/m/{sha256}.")
        assert read_artifact(location, path, sha256)


@pytest.fixture(scope="module")
def answered(made, bucket_server):
    """What a server has answered, and been told to log; not to be changed."""
    with running(made[0], environ=bucket_server.environ) as server:
        answer = web.post(f"{server.url}/v1/predict/m", json={"rows": ROWS}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert server.stop() == 0
    return answer.json()["rows"]


@pytest.mark.long
@pytest.mark.usefixtures("bucket")
def test_a_model_in_a_bucket_is_served_and_its_predictions_logged_there(made, answered):
    _, location = made
    logged = pl.read_parquet(f"{location}/shop/predictions/dev/m/v1/*/*.parquet", hive_partitioning=False)
    assert logged["k"].to_list() == [row["k"] for row in ROWS]
    assert logged["score"].to_list() == [row["score"] for row in answered]


@pytest.mark.long
@pytest.mark.usefixtures("made", "answered")
def test_a_log_in_a_bucket_is_replayed_compared_with_training_and_counted(shop):
    """By `verify`, `monitor drift` and alerts on requests."""
    replayed = json.loads(shop.run("verify", "m", "-o", "json").out)["result"]["models"][0]
    assert (replayed["rows"], replayed["replayed"]) == (5, 5)
    assert all((skew["compared"], skew["mismatched"]) == (5, 0) for skew in replayed["features"])
    drift = json.loads(shop.run("monitor", "drift", "m", "--min-rows", "9", "-o", "json").out)["result"]
    assert {row["n"] for row in drift["rows"]} == {5}
    now = datetime.now(UTC)
    with open_workspace(shop.root, None, None, "unread") as workspace:
        log, served_at = open_log(workspace, "m"), workspace.now
    hour = RequestWindow(since=served_at - timedelta(hours=1), until=served_at)
    found = read_requests(log, hour, 1.0, moved=True)
    assert (found.count, found.error_rate()) == (1.0, 0.0)
    assert log.files([1], now + timedelta(hours=2)) == []
    assert len(log.files([1], now - timedelta(hours=1), now)) == 1


@pytest.mark.long
@pytest.mark.usefixtures("answered")
def test_a_canary_is_judged_by_a_log_in_a_bucket_each_file_read_once(made, shop):
    now = datetime.now(UTC)
    with open_workspace(shop.root, None, None, "unread") as workspace:
        log = CanaryLog(open_log(workspace, "m"), replace(RUN, model="m", started_at=now))
    path = f"shop/predictions/dev/m/v2/{now:%Y-%m-%d/%H%M%S}-host-1-1.parquet"
    asked = [row(1, "challenger"), row(2, "challenger", fault=True), row(3, canary=None)]
    types = {"fault": pl.Boolean(), "canary": pl.Int64()}
    pl.DataFrame(asked, schema_overrides=types).write_parquet(f"{made[1]}/{path}")
    try:
        found = log.figures().challenger
        assert (found.requests, found.faults) == (2, 1)
    finally:
        obstore.delete(from_url(made[1]), path)
    assert log.figures().challenger.requests == 2


@pytest.mark.long
@pytest.mark.usefixtures("answered")
def test_a_log_in_a_bucket_that_can_not_be_read_ends_a_command(made, shop, bucket, monkeypatch):
    torn = f"shop/predictions/dev/m/v1/{datetime.now(UTC):%Y-%m-%d}/torn.parquet"
    store = from_url(made[1])
    obstore.put(store, torn, b"PAR1 no more")
    try:
        for words in (("verify", "m"), ("monitor", "drift", "m")):
            assert "error[FC603]: the prediction log can't be read: torn.parquet: " in shop.run(*words, code=69).err
    finally:
        obstore.delete(store, torn)
    monkeypatch.setenv(*bucket.wrong_key)
    assert f"({bucket.refused})" in shop.run("verify", "m", code=69).err


def test_a_server_that_could_not_reach_its_models_serves_them_once_it_can(made, bucket, monkeypatch):
    """Nobody asks a server that is not ready, so it has to try by itself."""
    name = bucket.wrong_key[0]
    right = bucket.environ[name]
    monkeypatch.setenv(*bucket.wrong_key)
    app = open_app(ServeSettings(root=str(made[0]), reload_s=0.02))
    with TestClient(app) as client:
        said = client.get("/ready")
        assert said.status_code == 503
        assert f"({bucket.refused})" in said.text
        monkeypatch.setenv(name, right)
        while client.get("/ready").status_code != 200:
            pass
        assert client.post("/v1/predict/m", json={"rows": [{"k": "k1"}]}).status_code == 200


def test_an_object_that_was_swapped_is_not_loaded(shop):
    version, location = shop.version()
    whole = read_artifact(location, version.artifact, version.artifact_sha256)
    obstore.put(from_url(location), version.artifact, whole + b"\n")
    said = shop.run("score", "m", "--out", "swapped.csv", code=1).err
    assert f"error[FC512]: model artifact {version.artifact} is not the file that was registered" in said
    obstore.delete(from_url(location), version.artifact)
    said = shop.run("models", "promote", "m@2", code=1).err
    assert f"error[FC512]: model artifact {version.artifact} is gone" in said
    obstore.put(from_url(location), version.artifact, whole)
    shop.run("score", "m", "--out", "whole.parquet")


READERS = [
    ("train", "m", "--again"),
    ("score", "m", "--out", "refused.parquet"),
    ("training-set", "m", "--out", "refused.parquet"),
    ("materialize",),
    ("models", "show", "m", "--card"),
    ("models", "export", "m", "--out", "refused"),
    ("models", "promote", "m@2"),
]  # fmt: skip


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_wrong_key_ends_a_command_with_what_the_store_says(shop, bucket, monkeypatch, words):
    monkeypatch.setenv(*bucket.wrong_key)
    said = shop.run(*words, code=69).err
    assert "error[FC603]: " in said
    assert f"({bucket.refused})" in said
    assert "Traceback" not in said
    assert not (shop.root / "refused.parquet").exists()
    assert not (shop.root / "refused").exists()


def test_a_server_that_is_gone_ends_a_command(shop, bucket, monkeypatch):
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv(bucket.endpoint_name, endpoint)
    assert f"no answer from {endpoint}" in shop.run("models", "show", "m", "--card", code=69).err


def test_a_model_is_not_fitted_for_a_place_that_is_not_there(made, shop, bucket, monkeypatch):
    monkeypatch.setattr("featurectl.operations.training.train.fit_model", None)
    file = shop.root / "featurectl.yaml"
    before = file.read_text()
    file.write_text(before.replace(made[1], bucket.absent))
    try:
        for words in READERS:
            assert f"does not exist ({bucket.not_there})" in shop.run(*words, code=69).err
    finally:
        file.write_text(before)
