"""`init` writes a repository whole or not at all."""

import errno
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.language.json_schema import file_schema, project_schema
from featurectl.operations.init import (
    NEXT,
    PROJECT_SCHEMA,
    SCHEMA,
    move_in,
    project_name,
    template_files,
    template_folder,
)

PROJECT = "project: "


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def template_tree(name: str) -> list[str]:
    return sorted([SCHEMA, PROJECT_SCHEMA, *(path.removesuffix(".jinja") for path in tree(template_folder() / name))])


def project_line(folder: Path) -> str:
    lines = (folder / "featurectl.yaml").read_text().splitlines()
    return next(line for line in lines if line.startswith(PROJECT))


@pytest.mark.parametrize("template", sorted(NEXT))
def test_init_writes_every_file_of_the_template(template, tmp_path, capsys):
    folder = tmp_path / "a" / "Late Flights"
    assert main(["init", str(folder), "--template", template]) == 0
    assert tree(folder) == template_tree(template)
    assert project_line(folder) == "project: late_flights"
    printed = capsys.readouterr().out
    assert all(line in printed for line in NEXT[template])
    assert f"cd '{folder}'" in printed


@pytest.mark.parametrize("template", sorted(NEXT))
def test_files_that_are_not_rendered_are_copied_byte_for_byte(template, tmp_path):
    main(["init", str(tmp_path / "repo"), "--template", template])
    source = template_folder() / template
    for name in tree(source):
        if not name.endswith(".jinja"):
            assert (tmp_path / "repo" / name).read_bytes() == (source / name).read_bytes(), name


def test_what_python_compiled_in_the_package_is_not_copied(tmp_path):
    (tmp_path / "a" / "__pycache__").mkdir(parents=True)
    (tmp_path / "a" / "x.py").touch()
    (tmp_path / "a" / "__pycache__" / "x.cpython-311.pyc").touch()
    assert template_files(tmp_path) == [tmp_path / "a" / "x.py"]


def test_flights_is_the_template_where_none_is_named(tmp_path):
    assert main(["init", str(tmp_path / "repo")]) == 0
    assert (tmp_path / "repo" / "data" / "flights.parquet").is_file()
    assert (tmp_path / "repo" / ".github" / "workflows" / "features.yml").is_file()
    assert (tmp_path / "repo" / ".gitignore").read_text() == ".featurectl/*\n!.featurectl/*schema.json\n"


def test_init_brings_the_schemas_that_editors_check_keys_with(tmp_path):
    main(["init", str(tmp_path / "repo"), "--template", "minimal"])
    assert json.loads((tmp_path / "repo" / SCHEMA).read_text()) == file_schema()
    assert json.loads((tmp_path / "repo" / PROJECT_SCHEMA).read_text()) == project_schema()


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "empty"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.chdir(folder)
    assert main(["init", ".", "--template", "minimal", "-o", "json"]) == 0
    assert folder.stat().st_ino == before
    assert tree(folder) == template_tree("minimal")
    assert project_line(folder) == "project: empty"
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["next"] == list(NEXT["minimal"])
    assert sorted(result["files"]) == tree(folder)


def test_what_is_in_a_folder_stays_and_the_rest_is_written_beside_it(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "note.txt").write_text("mine")
    (tmp_path / ".gitignore").write_text("*.log")
    assert main(["init", str(tmp_path), "--template", "minimal"]) == 0
    assert "Left .gitignore as it is" in capsys.readouterr().out
    assert (tmp_path / "data" / "note.txt").read_text() == "mine"
    assert (tmp_path / ".gitignore").read_text() == "*.log"
    assert tree(tmp_path) == sorted([*template_tree("minimal"), "data/note.txt"])


@pytest.mark.parametrize("taken", ["features.yaml", "data/orders.csv", "data"])
def test_what_would_be_written_over_is_refused_and_left_alone(tmp_path, capsys, taken):
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    assert main(["init", str(tmp_path), "--template", "minimal"]) == 64
    assert f"{tmp_path} has {taken if taken != 'data' else 'data/orders.csv'} already" in capsys.readouterr().err
    assert tree(tmp_path) == [taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_nothing_is_written_through_a_link_of_the_folder(tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "data").symlink_to(outside)
    assert main(["init", str(tmp_path), "--template", "minimal"]) == 64
    assert list(outside.iterdir()) == []


def test_an_empty_repository_is_valid_with_a_warning_and_has_no_plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", ".", "--template", "empty"]) == 0
    assert "into this folder. Next:\n\n  featurectl validate\n" in capsys.readouterr().out
    assert main(["validate"]) == 0
    out, err = capsys.readouterr()
    assert out == "featurectl.yaml is valid; nothing is declared yet.\n"
    assert "warning[FC203]" in err
    assert main(["plan"]) == 1
    (tmp_path / "other.yaml").write_text("")
    assert main(["validate"]) == 1


def test_the_view_in_the_comments_of_an_empty_repository_is_valid(tmp_path):
    assert main(["init", str(tmp_path), "--template", "empty"]) == 0
    text = (tmp_path / "featurectl.yaml").read_text()
    lines = text.split("features.yaml beside this file:\n#\n")[1].split("\n#\n")[0].split("\n")
    (tmp_path / "features.yaml").write_text("\n".join(line.removeprefix("# ") for line in lines))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text("customer,ordered_at,amount\na,2026-01-01T00:00:00Z,1.5\n")
    assert main(["validate", str(tmp_path)]) == 0


def test_init_does_not_write_over_a_repository(tmp_path):
    assert main(["init", str(tmp_path / "repo"), "--template", "minimal"]) == 0
    before = {name: (tmp_path / "repo" / name).read_bytes() for name in tree(tmp_path / "repo")}
    assert main(["init", str(tmp_path / "repo"), "--template", "flights"]) == 64
    assert {name: (tmp_path / "repo" / name).read_bytes() for name in tree(tmp_path / "repo")} == before


@pytest.mark.parametrize("below", ["file", "file/repo"])
def test_a_file_in_the_way_is_a_usage_error(below, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["init", str(tmp_path / below)]) == 64
    assert f"can't write {tmp_path / below}" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_nobody_can_make_is_a_usage_error(capsys):
    assert main(["init", "/proc/nobody/repo"]) == 64
    assert "can't write /proc/nobody/repo" in capsys.readouterr().err


def test_an_unknown_template_is_a_usage_error_that_lists_them(tmp_path, capsys):
    assert main(["init", str(tmp_path / "repo"), "--template", "fraud"]) == 64
    assert "templates: flights, swipes, minimal, empty" in capsys.readouterr().err
    assert not (tmp_path / "repo").exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_another_program_writes_meanwhile_stays(has_links, tmp_path, monkeypatch):
    """The check found nothing in the way; what is to go in is staged by then."""
    staged = tmp_path / ".staged"
    for name in ("a.yaml", "deep/b.yaml", "deep/c.yaml"):
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / name).write_text("ours")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.yaml").write_text("theirs")
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse_links)
    with pytest.raises(UsageError, match=r"has deep/c\.yaml already"):
        move_in(staged, tmp_path, ["a.yaml", "deep/b.yaml", "deep/c.yaml"])
    assert [name for name in tree(tmp_path) if not name.startswith(".")] == ["deep/c.yaml"]
    assert (tmp_path / "deep" / "c.yaml").read_text() == "theirs"
    move_in(staged, tmp_path, ["a.yaml", "deep/b.yaml"])
    assert (tmp_path / "deep" / "b.yaml").read_text() == "ours"


def refuse_links(path: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "no links here", str(path), None, str(target))


@pytest.mark.long
@pytest.mark.parametrize("exists", [False, True])
def test_a_write_that_fails_half_way_leaves_nothing(exists, tmp_path):
    """The largest table does not fit under the limit on a file's size; the small files before it did."""
    folder = tmp_path / "new" / "repo"
    if exists:
        folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "featurectl", "init", str(folder)],
        capture_output=True,
        text=True,
        preexec_fn=limit_files,
        check=False,
    )
    assert done.returncode == 69, done.stderr
    assert f"can't write {folder}: File too large" in done.stderr
    assert (list(folder.iterdir()) == []) if exists else (list(tmp_path.iterdir()) == [])


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, 2_500_000))


@pytest.mark.parametrize(
    ("folder", "name"),
    [("flights", "flights"), ("My Shop", "my_shop"), ("2026", "flights"), ("_a-", "a"), ("été", "t"), ("/", "flights")],
)
def test_the_project_is_named_after_the_folder(folder, name):
    assert project_name(Path(folder)) == name


def test_init_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from featurectl.cli.main import main; main(['init', sys.argv[1], '--template', 'minimal', '-q']);"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'polars', 'sqlalchemy', 'redis', 'numpy', "
        "'deltalake'}))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "repo")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "repo" / "featurectl.yaml").is_file()
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_repository_within_another_one_is_refused(tmp_path, capsys, monkeypatch):
    assert main(["init", str(tmp_path), "--template", "minimal"]) == 0
    assert main(["init", str(tmp_path / "inner")]) == 64
    assert f"lies in the repository {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "inner").exists()
    assert main(["init", str(tmp_path / "data" / "inner"), "--template", "minimal"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["validate"]) == 0


def test_a_repository_moved_into_another_one_is_named(tmp_path, capsys, monkeypatch):
    for folder in (tmp_path / "outer", tmp_path / "inner"):
        assert main(["init", str(folder), "--template", "minimal"]) == 0
    (tmp_path / "inner").rename(tmp_path / "outer" / "inner")
    monkeypatch.chdir(tmp_path / "outer")
    assert main(["validate"]) == 1
    assert "a repository can't hold another one" in capsys.readouterr().err
