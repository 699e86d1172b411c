"""What is applied from a checkout that lacks what was applied before: told, refused, and allowed by one option."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from featurectl.cli.main import main
from tests.cli.shop import write_shop
from tests.git_repository import GitRepository


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """Return a repository of three commits, the newest of which is applied."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    git = GitRepository(tmp_path / "checkout")
    (git.folder / ".gitignore").write_text("r.db*\ndeep\noff\n.featurectl\n")
    root = git.folder / "ml" / "features"
    root.mkdir(parents=True, exist_ok=True)
    write_shop(root)
    monkeypatch.chdir(root)
    first = git.commit("first")
    owner("ana")
    second = git.commit("second")

    def run(*words: str):
        code = main(list(words))
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    assert run("apply", "--auto-approve").code == 0
    return SimpleNamespace(git=git, root=root, run=run, first=first, second=second)


def owner(name: str) -> None:
    path = Path("views.yaml")
    lines = [line for line in path.read_text().splitlines() if "owner:" not in line]
    lines.insert(lines.index("    entity: customer") + 1, f"    owner: {name}@example.com")
    path.write_text("\n".join(lines) + "\n")


def entries(shop) -> list[dict[str, object]]:
    return json.loads(shop.run("history", "-o", "json").out)["result"]["entries"]


def test_the_registry_knows_the_whole_commit(shop):
    assert [(e["commit"], e["dirty_files"]) for e in entries(shop)] == [(shop.second, 0)]
    assert f" {shop.second[:7]}  " in shop.run("history").out


def test_an_older_checkout_is_told_and_refused(shop):
    shop.git("checkout", "-q", shop.first)
    note = f"commit {shop.first[:7]} is older than {shop.second[:7]}, applied "
    planned = shop.run("plan")
    assert planned.code == 1
    assert planned.out.splitlines()[1].startswith(f"BLOCKED: {note}")
    assert planned.out.splitlines()[1].endswith("what was changed there may be undone   (FC414; --allow-older)")
    assert f"**BLOCKED: {note}" in shop.run("plan", "-o", "markdown").out
    document = json.loads(shop.run("plan", "-o", "json").out)["result"]
    assert document["commit"] == shop.first
    assert document["applied"].items() >= {"commit": shop.second, "contained": False, "blocked": True}.items()
    applied = shop.run("apply", "--auto-approve")
    assert (applied.code, applied.err.startswith(f"error[FC414]: {note}")) == (1, True)
    assert "--allow-older" in applied.err.splitlines()[1]
    assert len(entries(shop)) == 1
    assert shop.run("plan", "--allow-older").code == 0
    assert shop.run("apply", "--auto-approve", "--allow-older").code == 0
    assert entries(shop)[0]["commit"] == shop.first
    shop.git("checkout", "-q", "main")
    assert shop.run("apply", "--auto-approve").code == 0, "what is applied now is older, and main contains it"


@pytest.mark.long
def test_a_saved_plan_of_an_older_checkout_is_refused_too(shop):
    shop.git("checkout", "-q", shop.first)
    assert shop.run("plan", "--out", "plan.json").code == 1
    refused = shop.run("apply", "plan.json")
    assert (refused.code, refused.err.startswith("error[FC414]: ")) == (1, True)
    assert shop.run("apply", "plan.json", "--allow-older").code == 0
    shop.git("checkout", "-q", "main")
    assert shop.run("apply", "--auto-approve").code == 0
    shop.git("checkout", "-q", shop.first)
    assert shop.run("plan", "--out", "plan.json", "--allow-older").code == 0
    assert shop.run("apply", "plan.json").code == 0


def test_a_plan_is_compared_with_what_is_applied_when_it_runs(shop, tmp_path):
    owner("ben")
    third = shop.git.commit("third")
    shop.git("checkout", "-q", shop.first)
    assert shop.run("plan", "--out", str(tmp_path / "plan.json"), "--allow-older").code == 0
    shop.git("checkout", "-q", "main")
    assert shop.run("apply", "--auto-approve").code == 0
    assert shop.run("apply", str(tmp_path / "plan.json")).code == 75
    assert entries(shop)[0]["commit"] == third


def test_a_checkout_that_would_change_nothing_is_not_refused(shop):
    shop.git("checkout", "-q", shop.first)
    owner("ana")
    done = shop.run("apply", "--auto-approve")
    assert (done.code, "older" in done.out + done.err) == (0, False)


def test_a_branch_without_what_was_applied_is_refused_until_it_is_rebased(shop):
    shop.git("checkout", "-q", "-b", "branch", shop.first)
    owner("eve")
    shop.git.commit("of a branch")
    assert "does not contain" in shop.run("plan").out.splitlines()[1]
    assert shop.run("apply", "--auto-approve").code == 1
    shop.git("rebase", "-q", "-s", "ours", "main")
    assert shop.run("plan").code == 0


def test_where_it_can_not_be_told_that_is_said_and_nothing_is_refused(shop, monkeypatch, tmp_path):
    shop.git("checkout", "-q", "--orphan", "other")
    owner("eve")
    shop.git.commit("a history of its own")
    shop.git("branch", "-q", "-D", "main")
    shop.git("reflog", "expire", "--expire=now", "--all")
    shop.git("gc", "-q", "--prune=now")
    planned = shop.run("plan")
    line = planned.out.splitlines()[1]
    assert line.startswith(f"! can't tell whether the files contain {shop.second[:7]}, applied ")
    told = "it was applied after this checkout's own commit was made, and may be newer: git pull"
    assert line.endswith(f"this clone has no commit {shop.second[:7]}: {told}")
    monkeypatch.setenv("PATH", str(tmp_path))
    planned = shop.run("plan")
    assert planned.out.splitlines()[1].endswith("there is no git on PATH")
    document = json.loads(shop.run("plan", "-o", "json").out)["result"]
    assert document["applied"].items() >= {"contained": None, "blocked": False}.items()
    assert shop.run("apply", "--auto-approve").code == 0
    assert [e["commit"] for e in entries(shop)] == ["", shop.second]
    owner("ben")
    assert f"files contain {shop.second[:7]}" in shop.run("plan").out.splitlines()[1], "the newest that is known"


def test_a_dirty_tree_is_named_in_plan_and_history(shop):
    owner("ben")
    (shop.root / "new.yaml").write_text("entities:\n  - {name: product, keys: {product: string}}\n")
    planned = shop.run("plan")
    assert f"({shop.second[:7]}-dirty (2 files))" in planned.out.splitlines()[0]
    document = json.loads(shop.run("plan", "-o", "json", "--out", "plan.json").out)["result"]
    assert (document["commit"], document["dirty_files"]) == (f"{shop.second}-dirty", 2)
    assert shop.run("apply", "plan.json").code == 0
    assert f"  {shop.second[:7]}-dirty (2 files)  " in shop.run("history").out
    newest = entries(shop)[0]
    assert (newest["commit"], newest["dirty_files"]) == (f"{shop.second}-dirty", 2)
    assert f"{shop.second[:7]}-dirty (2 files)" in shop.run("history", str(newest["serial"])).out.splitlines()[3]
    shop.git.commit("what was applied")
    owner("eve")
    assert shop.run("plan").code == 0


@pytest.mark.usefixtures("monkeypatch")
def test_a_short_hash_of_an_older_registry_is_read(shop):
    import sqlite3

    with closing(sqlite3.connect("r.db")) as database, database:
        database.execute("update history set commit_id = substr(commit_id, 1, 7)")
    database.close()
    assert entries(shop)[0]["commit"] == shop.second[:7]
    shop.git("checkout", "-q", shop.first)
    assert "is older than" in shop.run("plan").out.splitlines()[1]
