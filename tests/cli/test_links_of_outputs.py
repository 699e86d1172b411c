"""A link that a repository holds does not choose which file outside of it a command writes over."""

from pathlib import Path

import pytest

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
    from featurectl.errors import UsageError
    from featurectl.training.output import check_output

    outside = tmp_path_factory.mktemp("outside")
    (repo / name).symlink_to(outside / name)
    (repo / "deep").symlink_to(outside)
    for path in (Path(name), Path("deep") / name):
        with pytest.raises(UsageError, match="outside of the repository"):
            check_output(path)
