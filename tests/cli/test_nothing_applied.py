"""A registry that is empty, lost, or another one is no success: every command that works on what is applied says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from featurectl.cli.all_commands import build_app
from featurectl.cli.main import main
from tests.cli.shop import write_shop

WORKS_ON_WHAT_IS_APPLIED = (
    "status",
    "status --checks",
    "pipeline run nightly",
    "pipeline list",
    "pipeline show nightly",
    "status --watch",
    "stream status",
    "list",
    "list features --state",
    "show spend",
    "search spend",
    "lineage",
    "lineage spend",
    "materialize",
    "materialize --dry-run",
    "materialize spend",
    "push",
    "push --dry-run",
    "push --remove spend@1",
    "verify",
    "verify --store",
    "get spend customer=ana",
    "why spend",
    "score late --out scores.parquet",
    "score late --out scores.parquet --part 1/2",
    "training-set --features spend:count_7d --spine orders.csv --out set.parquet",
    "train late",
    "models list",
    "models list --uses spend",
    "models show late",
    "models diff late@1 late@2",
    "models promote late@1",
    "models rollback late",
    "models retire late@1",
    "models prune",
    "models prune --dry-run",
    "models import late --file late.onnx",
    "models export late --out exported",
    "models canary start late@2",
    "models canary start late --wait",
    "models canary status late",
    "models canary promote late",
    "models canary abort late",
    "clean",
    "clean --dry-run",
    "monitor check",
    "monitor check --dry-run",
    "monitor silence late --for 2h",
    "monitor silence --list",
    "erase customer customer=1",
    "monitor test ops",
    "monitor drift late",
    "monitor export --textfile featurectl.prom",
    "stream send orders orders.csv",
    "stream run --once",
    "stream rebuild spend",
    "stream reset orders",
)
# The rest: what makes a registry or needs none, what lists an empty past, and what runs on and looks again.
WORKS_ON_FILES = {"init", "validate", "test", "plan", "apply", "schema", "explain", "version", "monitor rules",
                  "pipeline render", "deployment render"}  # fmt: skip
NEEDS_NO_OBJECT = {"history", "unlock", "serve", "monitor run"}


def files_of(folder: Path) -> set[Path]:
    """Return the files below a folder; that of the metrics tells that there are none."""
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".prom"}


def commands_of(group, *above: str):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, *above, name)
        else:
            yield " ".join([*above, name])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = write_shop(tmp_path_factory.mktemp("nothing"))
    (folder / "late.onnx").write_bytes(b"")
    return folder


@pytest.fixture
def run(shop, monkeypatch, capsys):
    monkeypatch.chdir(shop)

    def run(line: str):
        code = main(line.split())
        return code, *capsys.readouterr()

    return run


def test_every_command_is_of_one_of_the_three_sorts():
    every = set(commands_of(typer.main.get_command(build_app())))
    of_applied = {name for name in every for line in WORKS_ON_WHAT_IS_APPLIED if f"{line} ".startswith(f"{name} ")}
    assert of_applied | WORKS_ON_FILES | NEEDS_NO_OBJECT == every


@pytest.mark.parametrize("line", WORKS_ON_WHAT_IS_APPLIED)
def test_a_command_on_an_empty_registry_exits_with_1(line, shop, run):
    before = files_of(shop)
    code, out, err = run(line)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "error: nothing is applied of project shop in dev: the registry sqlite:///r.db holds nothing of it",
        "  = featurectl apply; if it was applied before, this is another registry or project name",
    ]
    assert files_of(shop) == before


def test_json_has_the_error_and_the_hint_names_the_environment(run):
    code, out, _ = run("status --env gone -o json")
    document = json.loads(out)
    assert (code, document["ok"], document["exit_code"]) == (1, False, 1)
    assert document["result"]["error"]["message"].startswith("nothing is applied of project shop in gone: ")
    assert document["result"]["error"]["hint"].startswith("featurectl apply --env gone; ")


def test_a_history_without_an_entry_is_an_empty_list(run):
    assert run("history") == (0, "Nothing was applied to project shop yet.\n", "")


def test_another_project_of_the_same_registry_has_nothing(tmp_path, monkeypatch, capsys):
    write_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve"]) == 0
    assert main(["status"]) == 1, "never materialized"
    assert "spend" in capsys.readouterr().out
    project = Path("featurectl.yaml")
    project.write_text(project.read_text().replace("project: shop", "project: shopp"))
    assert main(["status"]) == 1
    assert "error: nothing is applied of project shopp in dev" in capsys.readouterr().err


def test_where_all_was_removed_nothing_is_wrong(tmp_path, monkeypatch, capsys):
    write_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve"]) == 0
    Path("views.yaml").write_text("entities:\n  - {name: customer, keys: {customer: string}}\n")
    names = ["customer_day", "orders", "spend", "last_order", "history"]
    allowed = [word for name in names for word in ("--allow-remove", name)]
    assert main(["apply", "--auto-approve", *allowed]) == 0
    capsys.readouterr()
    assert [main([name]) for name in ("status", "materialize", "push")] == [0, 0, 0]
    assert "No feature view is applied." in capsys.readouterr().out
