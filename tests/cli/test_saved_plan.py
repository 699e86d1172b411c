"""What was reviewed is what is applied: saved plans, selection, stages, and what apply creates again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.disk_room import FULL_HINT
from tests.cli.test_plan_apply_history import OBJECTS, PROJECT, rewrite, run

PROD = """\
  prod:
    registry: ${REGISTRY_URL}
    offline: .featurectl/prod
    online: ${ONLINE_URL}
"""


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository of two environments that is the current folder."""
    root = tmp_path / "shop"
    (root / "data").mkdir(parents=True)
    (root / "data" / "orders.csv").write_text("customer,ordered_at,amount\nann,2026-01-01T00:00:00Z,1.5\n")
    (root / "featurectl.yaml").write_text(PROJECT + PROD)
    (root / "objects.yaml").write_text(OBJECTS)
    monkeypatch.chdir(root)
    return root


def result(capsys, *argv):
    return json.loads(run(capsys, *argv, "-o", "json")[1])["result"]


def test_a_saved_plan_is_applied_once_as_reviewed_whatever_the_files_say(repo, capsys):
    assert run(capsys, "plan", "--out", "p.json", "--detailed-exitcode")[0] == 2
    rewrite(repo, "windows: [7d]}, {column", "windows: [7d, 30d]}, {column")
    code, out, _ = run(capsys, "apply", "p.json")
    assert (code, out.splitlines()[-1]) == (0, "Applied to dev, serial 1: 3 added.")
    changes = result(capsys, "plan")["changes"]
    assert [reason["field"] for reason in changes[0]["reasons"]] == ["aggregates.count_30d"]
    code, out, err = run(capsys, "apply", "p.json")
    assert (code, out) == (75, "")
    assert err == ("error: the registry has changed since the plan was made: serial 0 then, 1 now\n  = plan again\n")


def test_of_two_repositories_of_one_project_the_second_saved_plan_is_stale(repo, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("REGISTRY_URL", f"sqlite:///{tmp_path}/shared.db")
    monkeypatch.setenv("ONLINE_URL", f"sqlite:///{tmp_path}/online.db")
    other = tmp_path / "other"
    shutil.copytree(repo, other)
    for root in (repo, other):
        assert main(["plan", "-C", str(root), "--env", "prod", "--out", str(root / "p.json")]) == 0
    assert main(["apply", "-C", str(repo), str(repo / "p.json")]) == 0
    capsys.readouterr()
    assert run(capsys, "apply", "-C", str(other), str(other / "p.json"))[0] == 75


@pytest.mark.usefixtures("tmp_path")
def test_a_plan_for_an_absent_registry_is_not_applied_to_a_present_one(repo, capsys):
    assert run(capsys, "plan", "--out", "p.json")[0] == 0
    rewrite(repo, "project: shop", "project: other", "featurectl.yaml")
    assert run(capsys, "apply", "--auto-approve")[0] == 0
    rewrite(repo, "project: other", "project: shop", "featurectl.yaml")
    code, _, err = run(capsys, "apply", "p.json")
    assert (code, err.splitlines()[0]) == (75, "error: the registry is not that of the plan, which was not there yet")


def test_a_plan_belongs_to_its_environment_and_project(repo, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("REGISTRY_URL", f"sqlite:///{tmp_path}/r.db")
    monkeypatch.setenv("ONLINE_URL", f"sqlite:///{tmp_path}/o.db")
    run(capsys, "plan", "--env", "prod", "--out", "p.json")
    code, _, err = run(capsys, "apply", "p.json", "--env", "dev")
    assert (code, err.splitlines()[0]) == (64, "error: p.json is a plan for environment prod, not for dev")
    assert not (repo / ".featurectl").exists()
    assert run(capsys, "apply", "p.json")[1].splitlines()[-1] == "Applied to prod, serial 1: 3 added."
    rewrite(repo, "project: shop", "project: other", "featurectl.yaml")
    code, _, err = run(capsys, "apply", "p.json")
    assert (code, err) == (64, "error: p.json is a plan of project shop, this repository is other\n")


def test_a_saved_plan_holds_no_secret(repo, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("REGISTRY_URL", f"sqlite:///{tmp_path}/hunter2/r.db")
    monkeypatch.setenv("ONLINE_URL", f"sqlite:///{tmp_path}/hunter2/o.db")
    monkeypatch.setenv("LAKE", "data/hunter2")
    rewrite(repo, "path: data/orders.csv", 'path: "${LAKE}/orders.csv"')
    assert run(capsys, "plan", "--env", "prod", "--out", "p.json")[0] == 0
    assert run(capsys, "apply", "p.json")[0] == 0
    assert "hunter2" not in Path("p.json").read_text()
    assert "${LAKE}/orders.csv" in Path("p.json").read_text()
    assert b"hunter2" not in (tmp_path / "hunter2" / "r.db").read_bytes()


def test_the_options_of_a_blocked_plan_may_come_with_apply(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / "objects.yaml").write_text(OBJECTS.split("feature_views:", maxsplit=1)[0])
    assert run(capsys, "plan", "--out", "p.json")[0] == 1
    code, _, err = run(capsys, "apply", "p.json")
    assert (code, err.splitlines()[1]) == (1, "  = --allow-remove spend")
    code, _, err = run(capsys, "apply", "p.json", "--allow-remove", "spent")
    assert (code, err.splitlines()[0]) == (64, "error: --allow-remove spent: no change of the plan waits for that")
    code, out, _ = run(capsys, "apply", "p.json", "--allow-remove", "spend")
    assert (code, out.splitlines()[-1]) == (0, "Applied to dev, serial 2: 1 removed.")


def test_a_saved_plan_with_parts_not_in_this_version_is_refused_by_name(repo, capsys):
    rewrite(repo, "  dev:\n", "  dev:\n    engine: {type: spark}\n", "featurectl.yaml")
    assert run(capsys, "plan", "--out", "p.json")[0] == 1
    rewrite(repo, "    engine: {type: spark}\n", "", "featurectl.yaml")
    code, out, err = run(capsys, "apply", "p.json")
    assert (code, out) == (1, "")
    assert err == (
        "error[FC402]: featurectl.yaml:4:5: the engine spark is not in this version\n"
        "  = featurectl validate lists them\n"
    )
    assert not (repo / ".featurectl").exists()


def test_consent_to_a_name_of_several_kinds_says_which(repo, capsys):
    rewrite(repo, "name: spend", "name: orders")
    run(capsys, "apply", "--auto-approve")
    (repo / "objects.yaml").write_text(OBJECTS.split("sources:", maxsplit=1)[0])
    assert run(capsys, "plan", "--out", "p.json")[0] == 1
    both = "--allow-remove source:orders --allow-remove view:orders"
    for approved in ("--auto-approve", "p.json"):
        code, _, err = run(capsys, "apply", approved, "--allow-remove", "orders")
        assert (code, err) == (
            64,
            f"error: --allow-remove orders: 2 objects of that name are being removed\n  = {both}\n",
        )
    code, _, err = run(capsys, "apply", "p.json", "--allow-remove", "view:orders")
    assert (code, err.splitlines()[1]) == (1, "  = --allow-remove source:orders")
    code, out, _ = run(capsys, "apply", "p.json", *both.split())
    assert (code, out.splitlines()[-1]) == (0, "Applied to dev, serial 2: 2 removed.")


def test_consent_may_name_the_kind_of_any_object(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / "objects.yaml").write_text(OBJECTS.split("feature_views:", maxsplit=1)[0])
    assert run(capsys, "plan", "--allow-remove", "view:spend")[0] == 0
    assert run(capsys, "plan", "--allow-remove", "source:spend")[0] == 64
    assert run(capsys, "plan", "--out", "p.json")[0] == 1
    assert run(capsys, "apply", "p.json", "--allow-remove", "source:spend")[0] == 64
    assert run(capsys, "apply", "p.json", "--allow-remove", "view:spend")[0] == 0


def test_consent_may_be_part_of_the_reviewed_plan(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / "objects.yaml").write_text(OBJECTS.split("feature_views:", maxsplit=1)[0])
    assert run(capsys, "plan", "--out", "p.json", "--allow-remove", "spend")[0] == 0
    assert run(capsys, "apply", "p.json")[1].splitlines()[-1] == "Applied to dev, serial 2: 1 removed."


@pytest.mark.usefixtures("repo")
def test_select_belongs_to_the_plan(capsys):
    run(capsys, "plan", "--out", "p.json", "--select", "+spend")
    code, _, err = run(capsys, "apply", "p.json", "--select", "spend")
    assert (code, err.splitlines()[0]) == (64, "error: --select belongs to the plan")
    assert run(capsys, "apply", "p.json")[0] == 0


@pytest.mark.usefixtures("repo")
def test_apply_takes_a_part_and_the_next_one_the_rest(capsys):
    code, out, _ = run(capsys, "apply", "--auto-approve", "--select", "customer")
    assert (code, out.splitlines()[-1]) == (0, "Applied to dev, serial 1: 1 added.")
    assert "Plan: 1 to add, 0 to change, 0 to remove, 0 unchanged. 2 changes not selected.\n" in out
    assert run(capsys, "apply", "--auto-approve")[1].splitlines()[-1] == "Applied to dev, serial 2: 2 added."


@pytest.mark.usefixtures("repo")
def test_explain_lists_the_stages_that_apply_runs(capsys):
    out = run(capsys, "plan", "--explain")[1]
    assert out.split("\n\n")[-1] == (
        "Stages that apply runs, those that write and retire in one transaction:\n"
        "   1. create  offline folder\n"
        "   2. create  online table    spend@1\n"
        "   3. write   entity          customer\n"
        "   4. write   source          orders\n"
        "   5. write   feature view    spend@1\n"
    )
    planned = result(capsys, "plan")["stages"]
    assert result(capsys, "apply", "--auto-approve")["plan"]["stages"] == planned
    assert run(capsys, "plan", "--explain")[1].endswith("\n\nStages: none.\n")


def test_what_has_gone_missing_outside_is_planned_and_created_again(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / ".featurectl" / "online.db").unlink()
    (repo / ".featurectl" / "offline").rmdir()
    code, out, _ = run(capsys, "plan", "--detailed-exitcode")
    assert code == 2
    assert out == (
        "  + create offline folder   (missing)\n"
        "  + create online table spend@1   (missing)\n\n"
        "No changes of the registry, which matches the files (3 objects); apply creates what is missing outside of "
        "it.\n"
    )
    code, out, _ = run(capsys, "apply", "--auto-approve")
    assert (code, out.splitlines()[-1]) == (0, "Created what was missing outside of the registry.")
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 0
    assert run(capsys, "history", "-o", "json")[1].count('"serial"') == 1


def test_a_saved_plan_that_only_creates_missing_things_is_refused_twice(repo, capsys):
    run(capsys, "apply", "--auto-approve")
    (repo / ".featurectl" / "online.db").unlink()
    (repo / ".featurectl" / "offline").rmdir()
    assert run(capsys, "plan", "--out", "p.json", "--detailed-exitcode")[0] == 2
    (repo / ".featurectl" / "offline").mkdir()
    code, out, _ = run(capsys, "apply", "p.json")
    assert (code, out.splitlines()[-1]) == (0, "Created what was missing outside of the registry.")
    refused = (75, "", "error: what the plan creates is there already\n  = plan again\n")
    assert run(capsys, "apply", "p.json") == refused


@pytest.mark.usefixtures("repo")
def test_a_saved_plan_that_changes_nothing_may_be_applied_again(capsys):
    run(capsys, "apply", "--auto-approve")
    run(capsys, "plan", "--out", "p.json")
    assert run(capsys, "apply", "p.json")[0] == 0
    assert run(capsys, "apply", "p.json")[0] == 0


def test_a_plan_is_made_without_the_online_store_and_an_apply_is_not(repo, capsys):
    rewrite(repo, "online: sqlite:///.featurectl/online.db", "online: redis://127.0.0.1:1/0", "featurectl.yaml")
    code, out, err = run(capsys, "plan")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("warning: what is missing there and how much work it has is not known: the online store ")
    assert "Plan: 3 to add" in out
    made = [(s["action"], s["object"]) for s in result(capsys, "plan")["stages"]]
    assert made[:2] == [("create", "offline_folder"), ("create", "online_table")]
    code, _, err = run(capsys, "apply", "--auto-approve")
    assert (code, err[:13]) == (69, "error[FC602]:")
    assert not (repo / ".featurectl" / "registry.db").exists()


def test_a_saved_plan_makes_the_offline_folder_without_seeing_the_store(repo, capsys, monkeypatch):
    rewrite(repo, "online: sqlite:///.featurectl/online.db", "online: ${ONLINE_URL}", "featurectl.yaml")
    monkeypatch.setenv("ONLINE_URL", "redis://127.0.0.1:1/0")
    assert run(capsys, "plan", "--out", "p.json")[0] == 0
    monkeypatch.setenv("ONLINE_URL", "sqlite:///.featurectl/online.db")
    assert run(capsys, "apply", "p.json")[0] == 0
    assert run(capsys, "plan", "--detailed-exitcode")[0] == 0


@pytest.mark.long
def test_a_plan_s_file_is_written_whole_or_not_at_all(repo, capsys):
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
    code = limited + "from featurectl.cli.main import main; sys.exit(main(['plan', '--out', 'p.json']))"
    (repo / "p.json").write_text("old")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = f"error: the plan can't be written to p.json: File too large\n  = {FULL_HINT}\n"
    assert (done.returncode, done.stderr) == (69, said)
    assert (repo / "p.json").read_text() == "old"
    (repo / "link.json").symlink_to("p.json")
    assert run(capsys, "plan", "--out", "link.json")[0] == 0
    assert (repo / "link.json").is_symlink()
    assert run(capsys, "apply", "p.json")[0] == 0
    assert not list(repo.glob(".featurectl-plan*"))


def test_the_same_plan_is_the_same_bytes(repo, capsys):
    files = []
    for name in ("a.json", "b.json"):
        run(capsys, "plan", "--out", name)
        files.append((repo / name).read_bytes())
    assert files[0] == files[1]
    assert run(capsys, "plan", "-o", "json")[1] == run(capsys, "plan", "-o", "json")[1]
