"""Rows of erased keys leave what stands beside models, the prediction log, and what runs of `score` have left."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from featurectl.core.erasures import KeyPart, key_digest
from featurectl.core.progress import Silent
from featurectl.core.units import format_iso
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.model_rows import ModelRowsPlace
from featurectl.erasure.prediction_log import PredictionLogPlace
from featurectl.erasure.score_checkpoints import ScoreCheckpointsPlace
from featurectl.models.artifact import read_artifact
from featurectl.models.golden_rows import EntityKeys, WantedKey, load_golden, places_of
from featurectl.models.validation_rows import load_validation_rows
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.prediction_log.compacted_files import compacted_content, compacted_name, replaced_files
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.open import open_workspace
from tests.model_shop import Shop, objects, open_shop
from tests.tombstones import erased, tombstone

NOW = datetime(2030, 1, 1, tzinfo=UTC)  # after all that a test does
LOG = "off/shop/predictions/dev/m/v1/2026-01-10"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        yield opened


def erase(
    shop: Shop, place: ModelRowsPlace | PredictionLogPlace | ScoreCheckpointsPlace, *keys: str,
    at: datetime = NOW, is_known: bool = True, dry_run: bool = False,
) -> Sequence[PlaceFindings]:  # fmt: skip
    """Look at a place, or clean it of some keys."""
    values: dict[int, dict[str, KeyPart]] = {number: {"k": key} for number, key in enumerate(keys, 1)}
    with open_workspace(shop.root, None, None, "unread") as workspace:
        secret = workspace.registry().erasure_secret(workspace.project)
        gone = erased(*(tombstone("key", ["k"], [key], at, secret=secret) for key in keys), secret=secret)
        target = read_applied(workspace, Silent())
        target = replace(target, state=replace(target.state, erasures=gone))
        request = ErasureRequest(target=target, erasures=gone, values=values if is_known else {}, progress=Silent())
        return place.look(request) if dry_run else place.erase(request)


def judged_keys(shop: Shop) -> list[str]:
    version, location = shop.version()
    rows = load_validation_rows(read_artifact(location, version.judged, version.judged_sha256))
    assert len(rows.label) == rows.inputs.height == rows.spine.height == len(rows.time)
    return rows.spine["k"].to_list()


def golden_rows(shop: Shop) -> list[tuple[object, ...]]:
    version, location = shop.version()
    golden = load_golden(read_artifact(location, version.golden, version.golden_sha256))
    assert all(len(column) == len(golden.scores) for column in golden.columns.values())
    return list(zip(*golden.columns.values(), golden.scores.tolist(), strict=True))


def golden_places(shop: Shop, column: str, key: str) -> list[int] | None:
    version, location = shop.version()
    with open_workspace(shop.root, None, None, "unread") as workspace:
        secret = workspace.registry().erasure_secret(workspace.project)
    wanted = WantedKey(columns=(column,), digest=key_digest(secret, [key]))
    return places_of(read_artifact(location, version.golden, version.golden_sha256), wanted, secret)


def test_rows_beside_a_model_go_and_it_is_served_as_before(shop: Shop):
    shop.run("train", "m", "--again")
    judged, golden = judged_keys(shop), golden_rows(shop)
    before = {path.name: path.read_bytes() for path in (shop.root / "off/models/m").iterdir()}
    [found] = erase(shop, ModelRowsPlace(), "k1", dry_run=True)
    trained = [f"k{row % 7}" for row in range(len(golden))]
    assert (found.place, found.rows) == ("rows beside model m@1", judged.count("k1") + trained.count("k1"))
    assert {path.name: path.read_bytes() for path in (shop.root / "off/models/m").iterdir()} == before
    assert erase(shop, ModelRowsPlace(), "k1") == [found]
    assert judged_keys(shop) == [key for key in judged if key != "k1"]
    assert golden_rows(shop) == [row for row, key in zip(golden, trained, strict=True) if key != "k1"]
    left = {path.name for path in (shop.root / "off/models/m").iterdir()}
    assert (len(before.keys() - left), len(left - before.keys())) == (2, 2)
    assert shop.served()[1] == len(golden_rows(shop))
    assert erase(shop, ModelRowsPlace(), "k1") == []
    assert "rows beside m@1 written anew" in shop.run("history").out


def salted(content: bytes, keys: EntityKeys, _: bytes) -> bytes:
    """Return golden rows with hashes as versions had them that were trained before the registry's secret made them."""
    salt = hashlib.sha256(content).digest()
    hashes = {column: [key_digest(salt, [str(row[place])]) for row in rows]
              for columns, rows in keys.items() for place, column in enumerate(columns)}  # fmt: skip
    document = json.loads(content) | {"keys": {"salt": salt.hex(), "hashes": hashes}}
    return json.dumps(document).encode()


def test_golden_rows_are_found_without_the_keys_value(shop: Shop):
    shop.run("train", "m", "--again")
    golden, judged = golden_rows(shop), judged_keys(shop)
    kept = [row for row, number in zip(golden, range(100), strict=False) if number % 7 != 2]
    [found] = erase(shop, ModelRowsPlace(), "k2", is_known=False)
    assert (found.rows, golden_rows(shop)) == (judged.count("k2") + len(golden) - len(kept), kept)
    assert "k2" not in judged_keys(shop)


@pytest.mark.parametrize("make", [salted, lambda content, *_: content], ids=["salt", "no hashes"])
def test_golden_rows_of_before_are_found_by_the_value_or_named(shop: Shop, monkeypatch: pytest.MonkeyPatch, make: Any):
    monkeypatch.setattr("featurectl.operations.training.train.with_keys", make)
    shop.run("train", "m", "--again")
    golden = golden_rows(shop)
    [cut] = erase(shop, ModelRowsPlace(), "k2", is_known=False)
    assert golden_rows(shop) == golden
    if make is salted:
        assert "erase the key once more" in cut.notes[0]
        assert cut.unfinished == {1}
        [found] = erase(shop, ModelRowsPlace(), "k2")
        assert (found.notes, len(golden_rows(shop))) == ((), len(golden) - found.rows)
    else:
        [found] = erase(shop, ModelRowsPlace(), "k2")
        assert golden_rows(shop) == golden
        for each in (cut, found):
            assert "its golden rows have no keys to find them by" in each.notes[0]
            assert not each.unfinished


def test_golden_rows_of_another_registrys_secret_are_named(shop: Shop):
    shop.run("train", "m", "--again")
    with closing(sqlite3.connect(shop.root / "r.db")) as registry:
        registry.execute("update erasure_secrets set secret = ?", [bytes(32).hex()])
        registry.commit()
    [found] = erase(shop, ModelRowsPlace(), "k2")
    assert "its golden rows have no keys to find them by" in found.notes[0]


def models_folder(shop: Shop) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (shop.root / "off/models/m").iterdir()}


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "beside the newer files"])
def test_files_of_a_restored_folder_of_models_go(shop: Shop, *, is_whole: bool):
    shop.run("train", "m", "--again")
    before, golden, judged = models_folder(shop), golden_rows(shop), judged_keys(shop)
    [cleaned] = erase(shop, ModelRowsPlace(), "k1")
    after = models_folder(shop)
    for name in after.keys() - before.keys() if is_whole else ():
        (shop.root / "off/models/m" / name).unlink()
    for name, content in before.items():
        (shop.root / "off/models/m" / name).write_bytes(content)
    [seen, *_] = erase(shop, ModelRowsPlace(), "k1", is_known=False, dry_run=True)
    assert (seen.place, seen.rows) == ("files of model m that no version names", cleaned.rows)
    assert erase(shop, ModelRowsPlace(), "k1", is_known=False) == [seen]
    assert models_folder(shop) == after
    assert erase(shop, ModelRowsPlace(), "k1") == []
    assert shop.served()[1] == len(golden_rows(shop)) < len(golden)
    assert judged_keys(shop) == [key for key in judged if key != "k1"]


def test_unnamed_files_that_may_be_of_others_are_named_and_stay(shop: Shop):
    shop.run("train", "m", "--again")
    before = models_folder(shop)
    erase(shop, ModelRowsPlace(), "k1")
    for name, content in before.items():
        (shop.root / "off/models/m" / name).write_bytes(content)
    (shop.root / "off/other").mkdir()
    [found] = erase(shop, ModelRowsPlace(), "k1", is_known=False)
    assert (found.rows, len(found.notes)) == (0, 2)
    assert "no version of this registry names it" in found.notes[0]
    assert before.keys() <= models_folder(shop).keys()


def categories(shop: Shop, number: int = 1) -> list[str]:
    [found] = [item.categories for item in shop.version(number)[0].inputs if item.categories]
    return sorted(found)


@pytest.mark.long
def test_keys_among_categories_are_named_and_leave_retired_versions(shop: Shop):
    text = objects().replace("{name: half,", "{name: who, expr: k}, {name: half,").replace('"v:kind"', '"v:who"')
    shop.make(text)
    shop.run("train", "m", "--again")
    shop.run("train", "m", "--again")
    whole = categories(shop)
    assert "k1" in whole
    shop.run("models", "retire", "m@2")
    said = shop.run("erase", "key", "k=k1").out
    assert "rows beside model m@1: an erased key is among the categories of input c" in said
    assert "rows beside model m@2: an erased key" not in said
    assert categories(shop) == whole
    assert categories(shop, 2) == ["\x00erased", *(value for value in whole if value != "k1")]
    shop.run("erase", "--again")
    assert erase(shop, ModelRowsPlace(), "nobody") == []


def test_a_model_that_was_trained_later_keeps_its_golden_rows(shop: Shop):
    shop.run("train", "m", "--again")
    assert erase(shop, ModelRowsPlace(), "k1", at=datetime(2026, 1, 1, tzinfo=UTC)) == []


def log_file(shop: Shop, name: str, rows: Sequence[tuple[str, str, str]], replaces: Sequence[str] = ()) -> Path:
    """Write a file of the prediction log: key, time and the clock of each row."""
    made = [{"k": key, "time": instant(time), "logged_at": instant(clock), "score": 0.5} for key, time, clock in rows]
    path = shop.root / LOG / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compacted_content(pl.DataFrame(made), replaces) if replaces else parquet(pl.DataFrame(made)))
    return path


def parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_predictions_of_before_leave_the_log_and_later_ones_stay(shop: Shop):
    early, late = "2026-01-10T10:00:00", "2026-01-12T10:00:00"
    small = ["100000-a.parquet", "110000-a.parquet"]
    rows = [("k1", early, early), ("k2", early, early), ("k1", late, late), ("k1", early, late), ("k1", late, early)]
    for name in small:
        log_file(shop, name, rows)
    large = log_file(shop, compacted_name(small), rows, small)
    other = log_file(shop, "120000-a.parquet", [("k2", early, early)])
    untouched = other.stat().st_ino
    place = PredictionLogPlace()
    at = datetime(2026, 1, 11, tzinfo=UTC)
    [found] = erase(shop, place, "k1", at=at, dry_run=True)
    assert (found.place, found.rows, found.what) == ("prediction log m@1", 9, "predictions")
    assert erase(shop, place, "k1", at=at) == [found]
    for path in [shop.root / LOG / name for name in small] + [large]:
        assert pl.read_parquet(path).select("k", "time").rows() == [("k2", instant(early)), ("k1", instant(late))]
    assert other.stat().st_ino == untouched
    files = open_loose(str(shop.root / "off/shop/predictions/dev"))
    names = [file.path.removeprefix("m/v1/") for file in files.dated("m/v1")]
    assert sorted(replaced_files(files, "m/v1", names)) == [f"2026-01-10/{name}" for name in small]
    assert erase(shop, place, "k1", at=at) == []


def test_what_a_server_writes_while_it_is_erased_goes_too(shop: Shop):
    text = (shop.root / "featurectl.yaml").read_text()
    (shop.root / "featurectl.yaml").write_text(text.replace("online: ", "prediction_log: {sample: 1.0}, online: ", 1))
    early = "2026-01-10T10:00:00"
    log_file(shop, "100000-a.parquet", [("k1", early, early)])
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        log_file(shop, "100010-a.parquet", [("k1", early, early), ("k2", early, early)])

    at = datetime.now(UTC)
    [found] = erase(shop, PredictionLogPlace(sleep), "k1", at=at)
    assert (found.rows, len(waited)) == (2, 1)
    assert 0 <= waited[0] <= 12
    assert pl.read_parquet(shop.root / LOG / "100010-a.parquet")["k"].to_list() == ["k2"]


def test_a_restored_prediction_log_is_said_and_cleaned_by_the_next_erasure(shop: Shop):
    early = "2026-01-10T10:00:00"
    shop.run("erase", "key", "k=k1")
    assert "prediction log" not in shop.run("status").out
    path = log_file(shop, "100000-a.parquet", [("k1", early, early), ("k2", early, early), ("k3", early, early)])
    assert "prediction log" not in shop.run("status").out  # which says that it is clean
    (shop.root / "off/shop/predictions/dev/erased.json").unlink()
    assert "prediction log: restored from before an erasure" in shop.run("status").out
    shop.run("erase", "key", "k=k3")
    assert pl.read_parquet(path)["k"].to_list() == ["k2"]
    assert "prediction log" not in shop.run("status").out


def test_scores_of_runs_that_were_cut_go_but_those_of_one_that_goes_on(shop: Shop):
    folder = shop.root / ".featurectl/scores"
    for name, begun in (("cut", NOW - timedelta(days=1)), ("busy", NOW), ("later", NOW + timedelta(seconds=1))):
        (folder / name).mkdir(parents=True)
        text = format_iso(begun)
        document = {"begun_at": text, "known_at": text, "tables": {}, "rows": 1, "spine": "x"}
        (folder / name / "begun.json").write_text(json.dumps(document))
        (folder / name / "lock").touch()
    with (folder / "busy/lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        [found] = erase(shop, ScoreCheckpointsPlace(), "k1")
        assert (found.rows, found.what) == (2, "runs")
        assert "1 of them go on" in found.notes[0]
    assert sorted(path.name for path in folder.iterdir()) == ["busy", "later"]


def test_rows_of_a_key_that_a_model_joins_by_another_column_go_too(shop: Shop):
    selected = "s.csv, event_time: at, select: {buyer: k, seller: kind}, columns: {"
    twice = "[{view: v, join: {k: buyer}, prefix: b_, features: [qty]}, {view: v, join: {k: seller}, features: [half]}]"
    lines = objects().replace("s.csv, event_time: at, columns: {", selected).splitlines()
    shop.make("\n".join(f"    features: {twice}" if "v:qty" in line else line for line in lines))
    shop.run("train", "m", "--again")

    def judged() -> list[tuple[object, ...]]:
        version, location = shop.version()
        rows = load_validation_rows(read_artifact(location, version.judged, version.judged_sha256))
        return rows.spine.select("buyer", "seller").rows()

    before, golden = judged(), golden_places(shop, "buyer", "k1")
    assert "k1" in [buyer for buyer, _ in before]
    assert golden
    erase(shop, ModelRowsPlace(), "k1")
    assert judged() == [row for row in before if row[0] != "k1"]
    assert golden_places(shop, "buyer", "k1") == []
    erase(shop, ModelRowsPlace(), "a")
    assert judged() == [row for row in before if row[0] != "k1" and row[1] != "a"]
    path = shop.root / LOG / "100000-a.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    time = [instant("2026-01-10T10:00:00")] * 3
    frame = pl.DataFrame({"buyer": ["k1", "k2", "k2"], "seller": ["k2", "k1", "a"], "time": time, "logged_at": time})
    path.write_bytes(parquet(frame))
    [found] = erase(shop, PredictionLogPlace(), "k1")
    assert (found.rows, pl.read_parquet(path)["seller"].to_list()) == (2, ["a"])
