"""Who changed what, one change at length, and a lock that is in the way."""

import json
import re
import subprocess
import sys
import time

import pytest

from featurectl.core.units import parse_instant
from featurectl.registry.base import HistoryEntry, RegistryChange
from featurectl.registry.sql import SqlRegistry
from featurectl.render.plan import render_plan
from tests.bad_input.shop import write_shop
from tests.cli.test_plan_apply_history import OBJECTS, PROJECT, rewrite, run
from tests.registry.test_contract import MODEL

URL = "sqlite:///.featurectl/registry.db"
HOLDER = "ana@host, pid 7, featurectl apply"


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository that is the current folder."""
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(OBJECTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("featurectl.workspace.actor.caller", lambda: "ana@host")
    return tmp_path


@pytest.fixture
def registry(repo):  # noqa: ARG001  # after this fixture
    """The repository's registry."""
    registry = SqlRegistry(URL)
    yield registry
    registry.close()


def result(capsys, *argv):
    return json.loads(run(capsys, *argv, "-o", "json")[1])["result"]


def test_one_change_is_shown_with_the_plan_that_was_applied(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    rewrite(repo, "    source: orders\n", "    source: orders\n    where: amount > 0\n")
    planned = run(capsys, "plan")[1]
    run(capsys, "apply", "--auto-approve")
    code, out, err = run(capsys, "history", "2")
    head, entry, empty, *drawn = out.splitlines()
    assert (code, err, head, empty) == (0, "", "serial  when (UTC)        who       commit  what", "")
    assert re.fullmatch(r"2       20\d\d-\d\d-\d\d \d\d:\d\d  ana@host  -       apply: 1 changed \(1 breaking\)", entry)
    assert drawn == planned.splitlines()
    assert "      ~ where   - -> amount > 0   objects.yaml:12:5   changes 2 features" in drawn


@pytest.mark.usefixtures("repo")
def test_the_json_of_one_change_holds_the_plan_and_the_list_does_not(capsys):
    applied = result(capsys, "apply", "--auto-approve")
    shown = result(capsys, "history", "1")
    assert shown["project"] == "shop"
    assert shown["entry"]["plan"] == applied["plan"]
    assert render_plan(shown["entry"]["plan"]).splitlines()[2] == "  + entity customer  new"
    (listed,) = result(capsys, "history")["entries"]
    assert shown["entry"] == listed | {"plan": applied["plan"]}


@pytest.mark.usefixtures("repo")
def test_a_serial_that_is_not_in_the_history_is_wrong_usage(capsys):
    assert run(capsys, "history", "1") == (
        64,
        "",
        "error: the history of project shop has no serial 1\n  = nothing was applied yet\n",
    )
    run(capsys, "apply", "--auto-approve")
    assert run(capsys, "history", "2") == (
        64,
        "",
        "error: the history of project shop has no serial 2\n  = serials: 1 to 1\n",
    )
    for word in ("abc", "1.5", "9" * 5_000):
        assert run(capsys, "history", word) == (
            64,
            "",
            f"error: a serial is a whole number, not {word!r}\n  = serials: 1 to 1\n",
        )
    assert run(capsys, "history", "01")[1] == run(capsys, "history", "1")[1]


@pytest.mark.usefixtures("repo")
def test_models_and_aliases_stand_in_the_history_and_have_no_plan(registry, capsys):
    run(capsys, "apply", "--auto-approve")
    registry.write_model_version("shop", MODEL, ["champion"], "ben@host")
    at = parse_instant("2026-11-25T08:00:00Z")
    moved = HistoryEntry(serial=0, at=at, who="", commit="", command="models promote", summary="late champion -> v1")
    registry.write_alias("shop", "late", "champion", 1, moved)
    lines = run(capsys, "history")[1].splitlines()
    assert lines[1] == "3       2026-11-25 08:00  -         -        models promote: late champion -> v1"
    assert lines[2] == "2       2026-11-24 12:00  ben@host  3f2c1ab  train: late v1, champion -> v1"
    code, out, _ = run(capsys, "history", "2")
    line = "2       2026-11-24 12:00  ben@host  3f2c1ab  train: late v1, champion -> v1"
    assert (code, out.splitlines()[1:]) == (0, [line])
    assert result(capsys, "history", "3")["entry"]["plan"] is None


@pytest.mark.long
def test_a_trained_model_is_told_by_whom_and_when(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_shop(tmp_path))
    monkeypatch.setattr("featurectl.workspace.actor.caller", lambda: "ana@host")
    for words in (("apply", "--auto-approve"), ("materialize",), ("train", "pays")):
        assert run(capsys, *words)[0] == 0
    entry = result(capsys, "history", "2")["entry"]
    told = {key: entry[key] for key in ("who", "commit", "command", "summary", "plan")}
    assert told == {
        "who": "ana@host", "commit": "", "command": "train", "summary": "pays v1, champion -> v1", "plan": None
    }  # fmt: skip
    (version,) = result(capsys, "models", "list")["versions"]
    assert parse_instant(entry["at"]) == parse_instant(version["created_at"])


@pytest.mark.usefixtures("repo")
def test_an_entry_of_an_older_version_says_that_its_plan_was_not_kept(registry, capsys):
    at = parse_instant("2026-11-24T08:00:00Z")
    entry = HistoryEntry(serial=0, at=at, who="ana", commit="", command="apply", summary="1 added")
    registry.write_change(registry.load_state("shop"), RegistryChange(), entry)
    assert run(capsys, "history", "1")[1].endswith("  apply: 1 added\n\nIts plan was not kept.\n")


@pytest.mark.usefixtures("repo")
def test_a_held_lock_is_exit_75_and_unlocking_it_lets_the_next_one_in(registry, capsys):
    held = registry.lock("shop", HOLDER)
    held.__enter__()
    code, out, err = run(capsys, "apply", "--auto-approve", "-q")
    assert (code, out) == (75, "")
    found = re.fullmatch(
        r"error: project shop is locked by ana@host, pid 7, featurectl apply, since [-0-9: ]+ UTC \(lock (\w+)\)\n"
        r"  = its lease ends at [-0-9: ]+ UTC; if nothing runs there any more: featurectl unlock (\w+)\n",
        err,
    )
    assert found, err
    lock_id = found[1]
    assert found[2] == lock_id
    assert run(capsys, "unlock", "nonsense")[::2] == (
        64,
        err.replace("is locked by", "has no lock nonsense\n  = it is locked by").split("\n  = its")[0] + "\n",
    )
    assert run(capsys, "unlock", lock_id) == (
        0,
        f"Removed lock {lock_id} of project shop, held by {HOLDER}.\n",
        "",
    )
    assert run(capsys, "unlock", lock_id) == (64, "", "error: project shop is not locked\n")
    assert run(capsys, "apply", "--auto-approve")[0] == 0


@pytest.mark.usefixtures("repo")
def test_the_json_of_unlock_is_the_lock_that_was_removed(registry, capsys):
    held = registry.lock("shop", HOLDER)
    lock_id = held.__enter__()
    lock = result(capsys, "unlock", lock_id)["lock"]
    assert (lock["id"], lock["holder"]) == (lock_id, HOLDER)
    assert (parse_instant(lock["expires_at"]) - parse_instant(lock["since"])).total_seconds() == 30


@pytest.mark.long
@pytest.mark.usefixtures("repo")
def test_apply_waits_for_the_lock_as_long_as_it_is_told_and_says_for_whom(registry, capsys):
    held = registry.lock("shop", HOLDER)
    held.__enter__()
    command = [sys.executable, "-m", "featurectl", "apply", "--auto-approve", "--lock-timeout", "60s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("warning: source orders: no file matches")
        assert process.stderr.readline() == f"waiting for {HOLDER}\n"
        time.sleep(0.3)
        assert process.poll() is None
        held.__exit__(None, None, None)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Applied to dev, serial 1: 3 added.\n")
    assert run(capsys, "apply", "--auto-approve", "--lock-timeout", "60s")[0] == 0
