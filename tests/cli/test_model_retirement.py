"""A version that is retired: nothing is computed, served or asked of it any more; what is needed is not retired."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from featurectl.models.artifact import write_artifact
from featurectl.operations.clean.unneeded_data import Cleaning, find_leftovers
from featurectl.workspace.open import open_workspace
from tests.cli.test_clean import age, found, new_version
from tests.model_shop import objects, open_shop
from tests.prepared import make_once


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        yield opened


def two_views(shop):
    """Let m@1 be bound to v@1 alone, m@2 (the one before) and m@3 (the champion) to v@2."""

    def train() -> None:
        shop.run("train", "m", "--again")
        new_version(shop)
        for number in (2, 3):
            shop.run("train", "m", "--again")
            shop.run("models", "promote", f"m@{number}")

    if any(shop.root.glob("*.parquet")):
        train()  # after what the test has done itself
    else:
        make_once("three versions of a model", shop.root, train)


def result(shop, *words, code=0):
    return json.loads(shop.run(*words, "-o", "json", code=code).out)["result"]


def standing(shop):
    with open_workspace(shop.root, None, None, "unread") as workspace:
        state = workspace.state()
    return {version.version: version.status for version in state.model_versions}


def history(shop):
    return [f"{entry['command']}: {entry['summary']}" for entry in result(shop, "history")["entries"]]


@pytest.mark.long
def test_a_retired_version_frees_the_view_version_that_only_it_read(shop):
    two_views(shop)
    assert "v@1" in shop.run("status", "-v").out
    told = shop.run("models", "retire", "m@1").out
    assert told.splitlines()[1].startswith("m      1        registered  ")
    assert "1 version retired.\nv@1: no model version is bound to it; featurectl push --remove v@1" in told
    assert standing(shop) == {1: "retired", 2: "registered", 3: "registered"}
    assert history(shop)[0] == "models retire: m v1 retired"
    assert "m      1        retired" in shop.run("models", "list").out
    assert "retired" in shop.run("show", "m").out
    for words in (["materialize"], ["push"], ["status", "-v"], ["monitor", "check"], ["verify", "--store"]):
        assert "v@1" not in (said := shop.run(*words).out), words
        assert "v  1" not in said, words
    shop.run("push", "--remove", "v@1")
    age(shop.root)
    assert list(found(shop)) == ["table v@1"]


@pytest.mark.long
def test_a_retired_version_is_asked_nothing_and_does_not_come_back(shop):
    two_views(shop)
    assert shop.run("score", "m@1", "--out", "scores.csv")
    shop.run("models", "retire", "m@1")
    for words in (
        ["score", "m@1", "--out", "scores.csv"],
        ["models", "promote", "m@1"],
        ["models", "canary", "start", "m@1"],
    ):
        said = shop.run(*words, code=64).err
        assert "model m version 1 is retired; `featurectl models list`" in said.replace("\n  = ", "; "), words
    again = shop.run("models", "retire", "m@1")
    assert again.out == "m version 1 is retired already.\n"
    assert len([line for line in history(shop) if "retire" in line]) == 1
    assert shop.run("models", "show", "m@1").out
    assert shop.run("models", "diff", "m@1", "m@2").out


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "why", "command"),
    [
        (
            "m@3",
            "is the champion",
            "featurectl models promote m@VERSION of another version, then featurectl models retire m@3 --with-previous",
        ),
        ("m@champion", "is the champion", "--with-previous"),
        ("m@2", "is what models rollback goes back to", "featurectl models retire m@2 --with-previous: "),
        ("m@7", "model m has no version '7'", "versions: 1, 2, 3"),
        ("m", "m: which version?", "featurectl models retire m@VERSION"),
    ],
)
@pytest.mark.sample(1)
def test_what_is_needed_is_not_retired_and_the_error_names_a_command(shop, name, why, command):
    two_views(shop)
    said = shop.run("models", "retire", "m@1", name, code=64).err
    assert why in said
    assert command in said
    assert set(standing(shop).values()) == {"registered"}


@pytest.mark.long
def test_a_dry_run_says_the_same_and_retires_nothing(shop):
    two_views(shop)
    before = history(shop)
    told = result(shop, "models", "retire", "m@1", "--dry-run")
    freed = [{"view": "v", "version": 1, "pinned_for": []}]
    retired = [{"model": "m", "version": 1, "was": "registered"}]
    assert told == {"dry_run": True, "retired": retired, "already": [], "freed_views": freed}
    assert "would be retired" in shop.run("models", "retire", "m@1", "--dry-run").out
    assert (history(shop), set(standing(shop).values())) == (before, {"registered"})


@pytest.mark.long
def test_the_table_of_a_training_set_stays_until_its_pin_is_given_up(shop):
    shop.run("training-set", "m", "--out", "rows.parquet")
    two_views(shop)
    told = shop.run("models", "retire", "m@1").out
    assert "v@1: its table stays pinned for manifest " in told
    assert "featurectl clean --unpin v@1 gives that up." in told
    age(shop.root)
    shop.run("push", "--remove", "v@1")
    assert found(shop) == {}
    assert list(found(shop, "--unpin", "v@1")) == ["table v@1"]
    assert found(shop) == {}  # it was a dry run
    assert "no feature view 'v@9' is applied" in shop.run("clean", "--unpin", "v@9", code=64).err
    assert "--unpin v: which version?" in shop.run("clean", "--unpin", "v", code=64).err
    shop.run("clean", "--unpin", "v@1")
    assert not (shop.root / "off/shop/v/v1").exists()
    assert found(shop) == {}


@pytest.mark.long
def test_files_of_a_retired_version_stay_until_they_are_cleaned(shop):
    for features in (5, 6, 7):
        shop.make(objects(params=f"{{n_estimators: {features}, num_threads: 1, verbose: -1}}"))
        shop.run("train", "m", "--again")
        shop.run("models", "promote", f"m@{features - 4}")
    artifact = shop.root / "off" / shop.version(1)[0].artifact
    shop.run("models", "retire", "m@1")
    age(shop.root)
    shop.run("clean")
    assert artifact.exists()
    shop.run("clean", "--model-files")
    assert not artifact.exists()
    assert (shop.root / "off" / shop.version(2)[0].artifact).exists()
    assert shop.run("models", "show", "m@1").out


def leftovers(shop):
    """Return the files of models that `clean --model-files` finds, each with how it goes; the files are old."""
    age(shop.root)
    with open_workspace(shop.root, None, None, "unread") as workspace:
        there = find_leftovers(Cleaning(workspace=workspace, clock=datetime.now(UTC), models=True))
        yield [item for item in there if item.kind == "model file"]


def removed(some):
    """Return the names of the files that have gone."""
    return {item.name for item in some if item.remove()}


def retire_the_first(shop):
    """Train three versions, retire the first, and return what its definition was made of."""
    for estimators in (5, 6, 7):
        shop.make(objects(params=f"{{n_estimators: {estimators}, num_threads: 1, verbose: -1}}"))
        shop.run("train", "m", "--again")
        shop.run("models", "promote", f"m@{estimators - 4}")
    shop.run("models", "retire", "m@1")
    return objects(params="{n_estimators: 5, num_threads: 1, verbose: -1}")


@pytest.mark.long
def test_files_that_a_new_version_has_again_do_not_go(shop):
    again = retire_the_first(shop)
    for some in leftovers(shop):
        names = {item.name for item in some}
        shop.make(again)
        shop.run("train", "m", "--again")
        age(shop.root)  # the registry alone says that they are in use
        assert shop.version(1)[0].artifact == shop.version(4)[0].artifact
        assert shop.version(4)[0].artifact in names
        assert shop.version(4)[0].artifact not in removed(some)
    shop.run("models", "promote", "m@4")
    shop.run("score", "m", "--out", "scores.csv")


@pytest.mark.long
def test_files_that_were_written_again_and_not_registered_do_not_go(shop):
    retire_the_first(shop)
    for some in leftovers(shop):
        version = shop.version(1)[0]
        content = (shop.root / "off" / version.artifact).read_bytes()
        write_artifact(str(shop.root / "off"), "m", version.artifact_format, content)
        gone = removed(some)
        assert version.artifact not in gone
        assert gone


@pytest.mark.long
def test_prune_leaves_the_newest_and_what_is_needed(shop):
    for _ in range(6):
        shop.run("train", "m", "--again")
    shop.run("models", "promote", "m@2")  # 1 is the one before
    text = (shop.root / "o.yaml").read_text()
    (shop.root / "o.yaml").write_text(f"{text}    gates: {{max_model_size_mb: 0.0001}}\n")
    shop.run("apply", "--auto-approve")
    shop.run("train", "m", "--again", code=1)
    told = result(shop, "models", "prune", "--keep", "2", "--dry-run")
    assert [item["version"] for item in told["retired"]] == [7, 4, 3]
    shop.run("models", "prune", "m", "--keep", "2")
    left = {number for number, status in standing(shop).items() if status != "retired"}
    assert left == {1, 2, 5, 6}
    assert history(shop)[0] == "models prune: m v3 v4 v7 retired"
    assert shop.run("models", "prune", "m", "--keep", "2").out == "Nothing to retire.\n"
    assert "at least 1 version" in shop.run("models", "prune", "--keep", "0", code=64).err
    assert "no model 'x' is applied" in shop.run("models", "prune", "x", code=64).err


def test_what_rollback_goes_back_to_is_retired_when_that_is_said(shop):
    two_views(shop)
    assert shop.run("models", "retire", "m@2", "--with-previous", "--dry-run").out.endswith("would be retired.\n")
    shop.run("models", "retire", "m@2", "--with-previous")
    assert standing(shop)[2] == "retired"
    assert "previous" not in shop.run("models", "list").out
    assert "nothing" in shop.run("models", "rollback", "m").out
    assert "is the champion" in shop.run("models", "retire", "m@3", "--with-previous", code=64).err


@pytest.mark.long
def test_the_hints_free_the_rows_of_a_champion_step_by_step(shop):
    shop.run("train", "m", "--again")
    new_version(shop)
    shop.run("materialize")
    shop.run("train", "m", "--again")
    shop.run("push")
    said = shop.run("push", "--remove", "v@1", code=64).err
    first, then = "featurectl models promote m@VERSION", "featurectl models retire m@1 --with-previous"
    assert f"= m@1 is the champion: {first} of another version, then {then}" in " ".join(said.split())
    shop.run("models", "promote", "m@2")
    assert f"= {then}\n" in shop.run("push", "--remove", "v@1", code=64).err
    shop.run(*then.split()[1:])
    shop.run("push", "--remove", "v@1")
    said = " ".join(shop.run("get", "v@1", "k=k1", code=1).err.split())
    assert "v@1 has no rows in the online store, and nothing pushes any: it is not the newest" in said
    assert shop.run("get", "v", "k=k1")
    assert shop.run("get", "v@1", "k=k1", "--offline")


def test_rows_of_a_bound_view_version_name_the_command_that_frees_them(shop):
    two_views(shop)
    said = shop.run("push", "--remove", "v@1", code=64).err
    assert "models are bound to it: m v1" in said
    assert "featurectl models retire m@1" in said


def test_a_comparison_marks_what_means_something_else_and_not_the_number(shop):
    shop.run("train", "m", "--again")
    new_version(shop)  # of which `half` alone is another
    shop.run("train", "m", "--again")
    told = result(shop, "models", "diff", "m@1", "m@2")
    assert told["differ"]["inputs"] == ["half"]
    assert told["same_meaning"]["inputs"] == ["q", "c"]
    assert told["a"]["inputs"]["q"]["view_version"] != told["b"]["inputs"]["q"]["view_version"]
    shown = shop.run("models", "diff", "m@1", "m@2").out.splitlines()
    assert [line[0] for line in shown if line[3:7].strip() in {"q", "half", "c"}] == ["=", "~", "="]
