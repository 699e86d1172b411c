"""What `clean` removes: what nothing needs, and nothing else, with its size; --dry-run tells it and does nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import redis

from featurectl.language.definitions.gates import CanarySuccess
from featurectl.online.redis import store as redis_store
from featurectl.operations.clean import unneeded_data
from featurectl.operations.prediction_log.log_files import PredictionLogFiles, read_rows
from featurectl.registry.base import HistoryEntry
from featurectl.registry.state import CanaryRun
from featurectl.workspace.open import open_workspace
from tests import model_shop
from tests.model_shop import Shop, objects, open_shop

OLD = 9 * 86_400


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        yield opened


def age(root: Path, *names: str) -> None:
    """Let files have been written nine days ago: those of the offline store, or some."""
    for path in [root / name for name in names] or [*(root / "off").rglob("*")]:
        then = path.stat().st_mtime - OLD
        os.utime(path, (then, then))


def change(root: Path, before: str, after: str) -> None:
    text = (root / "o.yaml").read_text()
    assert before in text
    (root / "o.yaml").write_text(text.replace(before, after))


def found(shop: Shop, *words: str) -> dict[str, dict]:
    """Return what a dry run finds, by kind and name."""
    document = json.loads(shop.run("clean", "--dry-run", "-o", "json", *words).out)["result"]
    assert document["bytes"] == sum(item["bytes"] or 0 for item in document["leftovers"])
    return {f"{item['kind']} {item['name']}": item for item in document["leftovers"]}


def new_version(shop: Shop) -> None:
    """Let the view have a second version, and both a table."""
    change(shop.root, "amount / 2", "amount / 4")
    shop.run("apply", "--auto-approve", "--allow-breaking", "v")
    shop.run("materialize")


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".db" not in path.name}


@pytest.mark.long
def test_nothing_is_removed_of_a_project_whose_parts_are_all_needed(shop):
    shop.run("train", "m", "--again")
    age(shop.root)
    before = files(shop.root)
    assert found(shop, "--model-files") == {}
    assert shop.run("clean", "--model-files").out == "Nothing to remove.\n"
    assert files(shop.root) == before
    assert shop.run("train", "m", "--from-version", "1").out.count("the same bytes")


def test_a_version_that_nothing_reads_any_more_goes_with_table_and_rows(shop):
    new_version(shop)
    assert list(found(shop)) == ["online rows v@1"]  # its table is young
    age(shop.root)
    told = found(shop)
    assert told["online rows v@1"]["entities"] == 7
    table = shop.root / "off/shop/v/v1"
    assert told["table v@1"]["bytes"] == sum(path.stat().st_size for path in table.rglob("*") if path.is_file())
    shown = shop.run("clean").out
    assert "online rows  v@1" in shown
    assert "2 things, " in shown
    assert not table.exists()
    assert found(shop) == {}
    assert shop.run("get", "v", "k=k1").out
    assert shop.run("verify", "--store").out
    assert "Nothing to remove." in shop.run("clean").out


def test_what_a_model_version_or_a_manifest_names_stays(shop):
    shop.run("train", "m", "--again")
    new_version(shop)
    age(shop.root)
    assert found(shop) == {}
    assert shop.run("score", "m", "--out", "scores.csv")


@pytest.mark.long
def test_versions_of_a_model_that_was_removed_hold_on_to_no_view(shop):
    shop.run("train", "m", "--again")
    new_version(shop)
    text = (shop.root / "o.yaml").read_text()
    (shop.root / "o.yaml").write_text(text[: text.index("models:")])
    shop.run("apply", "--auto-approve", "--allow-remove", "m")
    age(shop.root)
    assert {"table v@1", "online rows v@1"} <= set(found(shop))
    assert "v@1" not in shop.run("materialize").out
    (shop.root / "o.yaml").write_text(text)
    shop.run("apply", "--auto-approve")
    assert found(shop) == {}


@pytest.mark.long
def test_a_table_that_a_manifest_pins_stays(shop):
    shop.run("training-set", "m", "--out", "rows.parquet")
    new_version(shop)
    age(shop.root)
    assert list(found(shop)) == ["online rows v@1"]
    shop.run("clean")
    assert shop.run("training-set", "--from-manifest", "rows.parquet.manifest.json", "--out", "again.parquet")


def test_orphans_of_killed_runs_and_crash_logs_go_when_they_are_old(shop):
    root = shop.root
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = {
        f".featurectl/spill/spill-{ended.pid}-x/rows": "spilled rows",
        "off/shop/v/v1/bucket=0/part-x.parquet.0a.part": "unfinished file",
        "off/shop/v/v1/_delta_log_unreadable_0a1b2c3d/00000000000000000000.json": "unreadable log",
        "off/models/m/" + "ab" * 32 + ".txt": "model file",
        ".featurectl/crash-20260101T000000.log": "crash log",
        "off/shop/v/v1/bucket=0/part-0123456789abcdef0123-0.parquet": "data files",
    }
    ours = root / f".featurectl/spill/spill-{os.getpid()}-x/rows"
    for name in [*left, ours.relative_to(root)]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12345")
    assert list(found(shop)) == [f"spilled rows .featurectl/spill/spill-{ended.pid}-x"]
    age(root, *list(left)[1:])
    told = found(shop, "--model-files")
    assert sorted(item["kind"] for item in told.values()) == sorted(left.values())
    assert {item["bytes"] for item in told.values()} == {5}
    before = files(root)
    shop.run("clean", "--model-files")
    commits = {name for name in files(root) if "/_delta_log/" in name}  # a vacuum is a version of its own
    assert files(root) - commits == before - commits - left.keys()
    assert ours.exists()


def test_files_of_models_stay_where_somebody_else_may_have_them(shop):
    name = "off/models/m/" + "cd" * 32 + ".txt"
    (shop.root / name).parent.mkdir(parents=True, exist_ok=True)
    (shop.root / name).write_text("theirs")
    age(shop.root)
    (shop.root / "off/another_project").mkdir()
    assert found(shop, "--model-files") == {}
    (shop.root / "off/another_project").rmdir()
    assert found(shop) == {}
    assert [item["kind"] for item in found(shop, "--model-files").values()] == ["model file"]


def test_what_lies_at_another_registrys_place_stays_however_it_is_written(shop, monkeypatch):
    new_version(shop)
    age(shop.root)
    assert "table v@1" in found(shop)
    project = shop.root / "featurectl.yaml"
    before = project.read_text()
    (shop.root / "away").symlink_to("off")
    monkeypatch.setenv("PLACE", "off")
    for spelled in ("off", "./off/", "away", "${PLACE}", str(shop.root / "off")):
        prod = f'  prod: {{registry: "sqlite:///p.db", offline: "{spelled}", online: "sqlite:///po.db"}}\n'
        project.write_text(before + prod)
        assert list(found(shop, "--model-files")) == ["online rows v@1"], spelled
    project.write_text(before + prod.replace(str(shop.root), "/elsewhere"))
    assert "table v@1" in found(shop)


def test_predictions_go_by_the_day_where_that_is_asked_for(shop):
    for day in ("2026-01-01", "2026-01-02", "2999-01-01"):
        file = shop.root / f"off/shop/predictions/dev/m/v1/{day}/000000-h-1-1.parquet"
        file.parent.mkdir(parents=True)
        file.write_text("123")
    assert found(shop) == {}
    assert list(found(shop, "--predictions-older-than", "30d")) == [
        "predictions shop/predictions/dev/m/v1/2026-01-01", "predictions shop/predictions/dev/m/v1/2026-01-02",
    ]  # fmt: skip
    shop.run("clean", "--predictions-older-than", "30d")
    assert [path.name for path in (shop.root / "off/shop/predictions/dev/m/v1").iterdir()] == ["2999-01-01"]


def test_an_empty_registry_ends_it_before_anything_is_taken_for_a_leftover(shop):
    shop.run("train", "m", "--again")
    age(shop.root)
    (shop.root / "r.db").rename(shop.root / "lost.db")
    for name in ("r.db-wal", "r.db-shm"):
        (shop.root / name).unlink(missing_ok=True)
    before = files(shop.root)
    assert "nothing is applied" in shop.run("clean", code=1).err
    assert files(shop.root) == before


@pytest.mark.parametrize("words", [("--older-than", "1h"), ("--older-than", "x"), ("--predictions-older-than", "0d")])
def test_a_length_that_is_too_short_to_be_safe_is_refused(shop, words):
    assert "is no length of time of at least a day" in shop.run("clean", *words, code=64).err


def test_a_version_that_somebody_needs_again_meanwhile_stays(shop, monkeypatch):
    """A model version may be bound to it between the look and the removal."""
    new_version(shop)
    age(shop.root)
    answers = [unneeded_data._retired]  # noqa: SLF001  # another cleans between its two steps
    with monkeypatch.context() as patched:
        patched.setattr(unneeded_data, "_retired", lambda *given: answers.pop()(*given) if answers else [])
        shop.run("clean")
    assert (shop.root / "off/shop/v/v1").exists()
    assert list(found(shop)) == ["table v@1", "online rows v@1"]


def test_status_tells_how_much_room_everything_takes(shop):
    shop.run("train", "m", "--again")
    said = shop.run("status", "-v").out
    assert "stored          files  size" in said
    sizes = {s["what"]: s for s in json.loads(shop.run("status", "-v", "-o", "json").out)["result"]["sizes"]}
    models = [path for path in (shop.root / "off/models").rglob("*") if path.is_file()]
    assert sizes["models"] == {"what": "models", "files": len(models), "size": sum(p.stat().st_size for p in models)}
    assert sizes["v@1"]["files"] == 2  # of rows, of the log
    assert sizes["prediction log"]["size"] == 0
    assert "sizes" not in json.loads(shop.run("status", "-o", "json").out)["result"]


def test_rows_that_are_served_until_the_next_push_stay(shop):
    """A name is served by its newest version that was pushed: what is applied since is only waiting."""
    change(shop.root, "amount / 2", "amount / 4")
    shop.run("apply", "--auto-approve", "--allow-breaking", "v")
    age(shop.root)
    before = shop.run("get", "v", "k=k1").out
    assert before.startswith("v@1 k=k1 online")
    assert found(shop) == {}
    shop.run("materialize", "--no-online")
    shop.run("clean")
    assert shop.run("get", "v", "k=k1").out == before
    shop.run("push")
    assert "online rows v@1" in found(shop)


def test_what_can_not_be_removed_is_said_and_counted_as_there(shop):
    logs = shop.root / ".featurectl"
    for name in ("crash-20260101T000000.log/kept", "crash-20260102T000000.log"):
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text("0123456789")
    age(shop.root, *(f".featurectl/crash-2026010{day}T000000.log" for day in (1, 2)))
    told = shop.run("clean", code=69)
    assert "1 thing, 10 B removed" in told.out
    assert "crash-20260101T000000.log can't be removed: Is a directory" in told.err
    assert list(found(shop)) == ["crash log .featurectl/crash-20260101T000000.log"]


def test_logs_of_crashes_behind_a_link_of_the_repository_are_not_its_own(shop, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (shop.root / ".featurectl").mkdir(exist_ok=True)
    (shop.root / ".featurectl").rename(outside / "there")
    (shop.root / ".featurectl").symlink_to(outside / "there")
    log = outside / "there" / "crash-20260101T000000.log"
    log.write_text("x")
    age(shop.root, ".featurectl/crash-20260101T000000.log")
    assert found(shop) == {}
    assert log.exists()


def log_files(shop: Shop, day: str, count: int, *, version: int = 1) -> None:
    """Write a day of a prediction log, in files of a row."""
    for number in range(count):
        file = shop.root / f"off/shop/predictions/dev/m/v{version}/{day}/00000{number}-h-1-1.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"n": [number]}).write_parquet(file)


def log_rows(shop: Shop) -> list[int]:
    files = PredictionLogFiles(str(shop.root / "off/shop/predictions/dev/m")).files()
    return read_rows(files, {"n": pl.Int64()}, lambda rows: rows)["n"].sort().to_list()


def keep_log(shop: Shop, more: str = "") -> None:
    project = shop.root / "featurectl.yaml"
    at = "online: "
    project.write_text(project.read_text().replace(at, f"prediction_log: {{sample: 1.0{more}}}, {at}", 1))


def days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"


def test_small_files_of_days_that_are_over_are_made_into_one(shop):
    keep_log(shop)
    log_files(shop, days_ago(9), 5)
    log_files(shop, days_ago(2), 5)
    size = sum(p.stat().st_size for p in (shop.root / "off").rglob(f"{days_ago(9)}/*"))
    before = files(shop.root)
    document = json.loads(shop.run("clean", "--dry-run", "-o", "json").out)["result"]
    assert document["compacted"] == [{"name": f"m/v1/{days_ago(9)}", "files": 5, "bytes": size}]
    assert "5 small files would be made into large ones; a run two hours later" in shop.run("clean", "--dry-run").out
    assert files(shop.root) == before
    shown = shop.run("clean").out
    assert f"m/v1/{days_ago(9)}  5      " in shown
    assert "5 small files made into large ones; a run two hours later removes the small ones." in shown
    assert log_rows(shop) == sorted([*range(5)] * 2)
    assert shop.run("clean").out == "Nothing to remove.\n"
    for path in (shop.root / "off").rglob("*-since.*.parquet"):
        os.utime(path, (path.stat().st_mtime - 3 * 3_600,) * 2)
    told = found(shop)
    assert list(told) == [f"replaced predictions m/v1/{days_ago(9)}: 5 files that larger ones stand for"]
    assert next(iter(told.values()))["bytes"] == size
    shop.run("clean")
    assert len(list((shop.root / "off").rglob(f"{days_ago(9)}/*"))) == 1
    assert log_rows(shop) == sorted([*range(5)] * 2)
    assert shop.run("clean").out == "Nothing to remove.\n"


@pytest.mark.long
def test_files_that_a_running_canary_is_judged_by_stay_small(shop):
    keep_log(shop)
    shop.run("train", "m", "--again")
    shop.run("train", "m", "--again")
    log_files(shop, days_ago(9), 3)
    log_files(shop, days_ago(12), 3)
    run = CanaryRun(
        model="m", number=0, champion=1, challenger=2, environment="dev", percent=5, for_us=10**9, min_requests=1,
        success=CanarySuccess(error_rate_percent=1), started_at=datetime.now(UTC) - timedelta(days=10),
    )  # fmt: skip
    registry = open_workspace(shop.root, "dev", None, "unread").registry()
    entry = HistoryEntry(serial=0, at=run.started_at, who="a", commit="", command="c", summary="s")
    registry.start_canary("shop", run, entry)
    document = json.loads(shop.run("clean", "--dry-run", "-o", "json").out)["result"]
    assert [day["name"] for day in document["compacted"]] == [f"m/v1/{days_ago(12)}"]


def test_predictions_are_kept_as_long_as_the_environment_says(shop):
    keep_log(shop, ", keep: 10d")
    log_files(shop, days_ago(12), 1)
    log_files(shop, days_ago(9), 1)
    assert list(found(shop)) == [f"predictions shop/predictions/dev/m/v1/{days_ago(12)}"]
    assert len(found(shop, "--predictions-older-than", "5d")) == 2
    assert found(shop, "--predictions-older-than", "20d") == {}


@pytest.mark.sample(1)
@pytest.mark.parametrize("words", [("clean",), ("push", "--remove", "v@1")])
def test_rows_whose_count_is_broken_are_removed_all_the_same(tmp_path, monkeypatch, capsys, redis_url, words):
    environment = model_shop.PROJECT.replace("sqlite:///on.db", redis_url).replace("shop", f"p{uuid.uuid4().hex}")
    monkeypatch.setattr(model_shop, "PROJECT", environment)
    monkeypatch.setattr(redis_store, "FEW_KEYS", 1 << 40)  # however many other tests have left on the server
    with open_shop(tmp_path, monkeypatch, capsys) as shop, redis.Redis.from_url(redis_url) as client:
        shop.make(objects())
        new_version(shop)
        with open_workspace(shop.root, None, None, "unread") as workspace:
            home = f"{workspace.project}/dev"
        client.hset(home, "count/v@1", "abc")
        assert " unknown" in shop.run(*words, "--dry-run").out
        assert " unknown" in shop.run(*words).out
        assert not [name for name in client.hkeys(home) if b"v@1" in name]
