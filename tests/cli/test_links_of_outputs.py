"""A link that a repository holds does not choose which file outside of it a command writes over."""

import os
import stat
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import UsageError
from featurectl.operations.outputs.write_table import check_output, write_table
from tests.cli.test_plan_apply_history import repo, run  # noqa: F401 - a fixture

OUTPUTS = {
    "plan --out": ("plan", "--out"),
    "schema --out": ("schema", "--out"),
    "rules --out": ("monitor", "rules", "--out"),
    "rules --grafana": ("monitor", "rules", "--out", "r.txt", "--grafana"),
    "metrics --textfile": ("monitor", "export", "--textfile"),
}


@pytest.mark.parametrize("words", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("where", ["file", "folder"])
def test_an_output_that_leaves_the_repository_by_a_link_is_refused(repo, capsys, tmp_path_factory, words, where):  # noqa: F811
    outside = tmp_path_factory.mktemp("outside")
    victim = outside / "victim.txt"
    victim.write_text("mine")
    name = "out.prom"
    if where == "file":
        (repo / name).symlink_to(victim)
    else:
        (repo / "deep").symlink_to(outside)
        name = "deep/victim.prom"
        victim = victim.rename(outside / "victim.prom")
    code, _, err = run(capsys, *words, name)
    assert (code, victim.read_text()) == (64, "mine")
    assert "is a link to" in err
    assert "outside of the repository" in err
    assert [path.name for path in outside.iterdir()] == [victim.name]


def test_what_is_behind_a_link_is_not_left_by_two_dots(repo, capsys, tmp_path_factory):  # noqa: F811
    outside = tmp_path_factory.mktemp("outside")
    (outside / "deep").mkdir()
    (repo / "behind").symlink_to(outside / "deep")
    code, _, err = run(capsys, "schema", "--out", "behind/../x.json")
    assert (code, list(outside.iterdir())) == (64, [outside / "deep"])
    assert "behind is a link to" in err
    (repo / "made").mkdir()
    assert run(capsys, "schema", "--out", "made/../x.json")[0] == 0
    assert (repo / "x.json").is_file()


def test_a_link_at_the_name_that_a_process_might_take_is_not_followed(repo, capsys, tmp_path_factory):  # noqa: F811
    victim = tmp_path_factory.mktemp("outside") / "victim"
    victim.write_text("mine")
    (repo / f".featurectl-{os.getpid()}.tmp").symlink_to(victim)
    assert run(capsys, "schema", "--out", "x.json")[0] == 0
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("words", [("schema", "--out", "x.json"), ("plan", "--out", "x.json")])
def test_who_may_read_an_output_may_read_the_new_one_and_nobody_else(repo, capsys, words):  # noqa: F811
    assert run(capsys, *words)[0] == 0
    umask = os.umask(0)
    os.umask(umask)
    assert mode_of(repo / "x.json") == 0o666 & ~umask
    for mode in (0o600, 0o664, 0o444):
        (repo / "x.json").chmod(mode)
        assert run(capsys, *words)[0] == 0
        assert mode_of(repo / "x.json") == mode
    assert [path.name for path in repo.iterdir() if path.name.startswith(".x.json")] == []


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_a_table_that_is_written_anew_is_for_the_same_readers(tmp_path, name):
    out = tmp_path / name
    for mode in (0o600, 0o664, 0o444):
        write_table(pl.DataFrame({"n": [1]}), out)
        out.chmod(mode)
        write_table(pl.DataFrame({"n": [2]}), out)
        assert mode_of(out) == mode


def test_a_repository_behind_the_link_does_not_make_it_its_own(repo, capsys, tmp_path_factory):  # noqa: F811
    outside = tmp_path_factory.mktemp("outside")
    (outside / "featurectl.yaml").write_text("project: other\n")
    (repo / "deep").symlink_to(outside)
    assert run(capsys, "schema", "--out", "deep/x.json")[0] == 64
    assert not (outside / "x.json").exists()


def test_links_within_a_repository_and_those_of_others_are_followed(repo, capsys, tmp_path_factory):  # noqa: F811
    outside = tmp_path_factory.mktemp("outside")
    (repo / "made").mkdir()
    (repo / "in.json").symlink_to("made/x.json")
    (outside / "out.json").symlink_to(Path(outside / "there.json"))
    assert run(capsys, "schema", "--out", "in.json")[0] == 0
    assert run(capsys, "schema", "--out", str(outside / "out.json"))[0] == 0
    assert (repo / "made" / "x.json").is_file()
    assert (outside / "there.json").is_file()


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.delta"])
def test_a_table_is_not_written_through_a_link_either(repo, tmp_path_factory, name):  # noqa: F811
    outside = tmp_path_factory.mktemp("outside")
    (repo / name).symlink_to(outside / name)
    (repo / "deep").symlink_to(outside)
    for path in (Path(name), Path("deep") / name):
        with pytest.raises(UsageError, match="outside of the repository"):
            check_output(path)
