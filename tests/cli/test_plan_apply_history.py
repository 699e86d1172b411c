import io
import json
import os
import pty
import select
import socket
import subprocess
import sys

import pytest

from featurectl.cli.main import main
from featurectl.render.paint import STYLES

PROJECT = """\
project: shop
environments:
  dev:
    registry: sqlite:///.featurectl/registry.db
    offline: .featurectl/offline
    online: sqlite:///.featurectl/online.db
"""
OBJECTS = """\
entities:
  - {name: customer, keys: {customer: string}}
sources:
  - name: orders
    path: data/orders.csv
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates: [{op: count, windows: [7d]}, {column: amount, op: sum, windows: [7d]}]
"""


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository that is the current folder."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text("customer,ordered_at,amount\nann,2026-01-01T00:00:00Z,1.5\n")
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(OBJECTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rewrite(repo, old, new, name="objects.yaml"):
    text = (repo / name).read_text()
    assert old in text
    (repo / name).write_text(text.replace(old, new))


def run(capsys, *argv):
    """Run a command line and return its exit code, stdout and stderr."""
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_plan_shows_what_is_new_and_makes_nothing(repo, capsys):
    code, out, err = run(capsys, "plan")
    assert (code, err) == (0, "")
    assert (
        out
        == """\
featurectl plan   repo .  ->  dev registry, serial 0

  + entity customer  new
  + source orders    new
  + view   spend     new  v1

Plan: 3 to add, 0 to change, 0 to remove, 0 unchanged.
After apply, materialize computes spend@1.
"""
    )
    assert not (repo / ".featurectl").exists()


@pytest.mark.usefixtures("repo")
def test_the_detailed_exit_code_tells_changes_from_none(capsys):
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 2
    assert run(capsys, "apply", "--auto-approve")[0] == 0
    assert run(capsys, "plan", "--detailed-exitcode")[:2] == (0, "No changes. dev matches the files (3 objects).\n")


@pytest.mark.usefixtures("repo")
def test_apply_says_what_it_did_and_then_that_there_is_nothing_to_do(capsys):
    code, out, _ = run(capsys, "apply", "--auto-approve")
    assert code == 0
    assert out.endswith("Applied to dev, serial 1: 3 added.\n")
    assert run(capsys, "apply")[:2] == (0, "No changes. dev matches the files (3 objects).\n")
    code, out, _ = run(capsys, "history", "-o", "json")
    (entry,) = json.loads(out)["result"]["entries"]
    assert (entry["serial"], entry["command"], entry["summary"], entry["commit"]) == (1, "apply", "3 added", "")


@pytest.mark.usefixtures("repo")
def test_history_of_nothing_is_a_sentence(capsys):
    assert run(capsys, "history")[:2] == (0, "Nothing was applied to project shop yet.\n")


def test_a_breaking_change_names_its_field_and_its_place(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    rewrite(repo, "    source: orders\n", "    source: orders\n    where: amount > 0\n")
    code, out, _ = run(capsys, "plan")
    assert code == 0
    assert "  ~ view   spend  breaking  v1 -> v2\n" in out
    assert "      ~ where   - -> amount > 0   objects.yaml:12:5   changes 2 features\n" in out
    assert "Plan: 0 to add, 1 to change (1 breaking), 0 to remove, 2 unchanged.\n" in out
    reason = json.loads(run(capsys, "plan", "-o", "json")[1])["result"]["changes"][0]["reasons"][0]
    assert reason["features"] == ["count_7d", "amount_sum_7d"]


def test_comments_order_and_defaults_written_out_change_nothing(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    head, views = OBJECTS.split("feature_views:")
    (repo / "objects.yaml").write_text(head + "# nothing else\n")
    (repo / "views.yaml").write_text(
        "feature_views:" + views.replace("entity: customer", "closed: left\n    entity: customer")
    )
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 0


@pytest.mark.long
def test_a_feature_that_is_left_out_stands_in_the_plan_and_comes_back(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    run(capsys, "materialize", "--as-of", "2026-01-02")
    rewrite(repo, ", {column: amount, op: sum, windows: [7d]}", "")
    code, out, _ = run(capsys, "plan", "--detailed-exitcode")
    assert code == 2
    assert (
        "  ~ view   spend  removal  v1\n      - aggregates amount_sum_7d   removed feature   objects.yaml:12:5\n" in out
    )
    assert "materialize computes" not in out
    assert run(capsys, "apply", "--auto-approve")[0] == 0
    orders = repo / "data" / "orders.csv"
    orders.write_text(orders.read_text() + "ann,2026-01-02T00:00:00Z,2.5\n")
    assert run(capsys, "materialize", "--as-of", "2026-01-03")[0] == 0
    shown = json.loads(run(capsys, "get", "spend", "customer=ann", "--as-of", "2026-01-03", "-o", "json")[1])
    assert {name: found["value"] for name, found in shown["result"]["features"].items()} == {"count_7d": 2}
    (repo / "objects.yaml").write_text(OBJECTS)
    assert "materialize computes spend@1 (new features)" in run(capsys, "plan")[1]
    run(capsys, "apply", "--auto-approve")
    assert run(capsys, "materialize", "--as-of", "2026-01-03")[0] == 0
    shown = json.loads(run(capsys, "get", "spend", "customer=ann", "--as-of", "2026-01-03", "-o", "json")[1])
    assert {name: found["value"] for name, found in shown["result"]["features"].items()} == {
        "count_7d": 2,
        "amount_sum_7d": 4.0,
    }


def test_a_removal_is_blocked_until_it_is_named(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / "objects.yaml").write_text(OBJECTS.split("feature_views:", maxsplit=1)[0])
    code, out, _ = run(capsys, "plan", "--detailed-exitcode")
    assert code == 1
    assert "  - view   spend  BLOCKED  left out of the files   (FC401; --allow-remove spend)\n" in out
    code, out, err = run(capsys, "apply", "--auto-approve")
    assert (code, out) == (1, "")
    assert (
        err == 'error[FC401]: feature view "spend" would be removed: left out of the files\n  = --allow-remove spend\n'
    )
    assert run(capsys, "apply", "--auto-approve", "--allow-remove", "spent")[0] == 64
    code, out, _ = run(capsys, "apply", "--auto-approve", "--allow-remove", "spend")
    assert (code, out.splitlines()[-1]) == (0, "Applied to dev, serial 2: 1 removed.")


def test_apply_asks_nobody_without_a_terminal(repo, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, out, err = run(capsys, "apply")
    assert (code, out) == (64, "")
    assert "there is no terminal" in err
    assert not (repo / ".featurectl" / "registry.db").exists()


def on_terminal(answer, *argv):
    """Run a command whose stdin and stderr are a terminal with an answer; return its exit code, stdout, screen."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "featurectl", *argv]
    process = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    screen = b""
    while b"[y/N]" not in screen and select.select([ours], [], [], 30)[0]:
        screen += os.read(ours, 4096)
    os.write(ours, answer.encode())
    out, _ = process.communicate(timeout=30)
    os.close(ours)
    return process.returncode, out, screen.decode().replace("\r\n", "\n")


@pytest.mark.long
@pytest.mark.usefixtures("repo")
def test_on_a_terminal_apply_shows_the_plan_and_asks(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    code, out, screen = on_terminal("n\n", "apply")
    assert (code, out) == (1, "Nothing was applied.\n")
    assert f"  \x1b[{STYLES['good']}m+\x1b[0m view   spend     new  v1\n" in screen
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 2
    code, out, screen = on_terminal("y\n", "apply")
    assert (code, out) == (0, "Applied to dev, serial 1: 3 added.\n")


def test_a_registry_that_can_not_be_reached_is_exit_69(repo, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://ana:s3cret@127.0.0.1:{closed.getsockname()[1]}/features"
        rewrite(repo, "sqlite:///.featurectl/registry.db", url, "featurectl.yaml")
        for command in (["plan"], ["apply", "--auto-approve"], ["history"]):
            code, out, err = run(capsys, *command)
            assert (code, out) == (69, "")
            assert err.startswith("error[FC601]: registry postgresql")
            assert "s3cret" not in err


def test_files_with_errors_are_not_planned(repo, capsys):
    rewrite(repo, "op: count", "opp: count")
    code, out, err = run(capsys, "apply", "--auto-approve")
    assert (code, out) == (1, "")
    assert "objects.yaml:12:19: error[FC102]" in err
    assert not (repo / ".featurectl" / "registry.db").exists()


def test_an_unbuilt_part_of_the_language_is_planned_and_not_applied(repo, capsys):
    rewrite(repo, "  dev:\n", "  dev:\n    engine: {type: spark}\n", "featurectl.yaml")
    code, out, err = run(capsys, "plan")
    assert code == 1
    assert "Plan: 3 to add" in out
    assert "featurectl.yaml" in err
    code, out, err = run(capsys, "apply", "--auto-approve")
    assert (code, out) == (1, "")
    assert "FC402" in err
    assert not (repo / ".featurectl" / "registry.db").exists()


@pytest.mark.long
def test_a_plan_of_a_registry_in_postgresql_is_empty_after_its_apply(repo, capsys, postgres_url):
    rewrite(repo, "sqlite:///.featurectl/registry.db", postgres_url, "featurectl.yaml")
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 2
    assert run(capsys, "apply", "--auto-approve")[0] == 0
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 0


@pytest.mark.usefixtures("repo")
def test_the_markdown_is_ready_for_a_comment(capsys):
    code, out, _ = run(capsys, "plan", "-o", "markdown")
    assert code == 0
    assert out.startswith("### featurectl plan: dev\n\nPlan: 3 to add")
    assert "| `+` | view `spend` | **new** v1 |  |\n" in out
