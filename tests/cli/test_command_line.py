"""Command lines in the orders that people write them."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.command_line import read_command_line
from featurectl.cli.main import main
from featurectl.core.version import __version__


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("-C a plan -q", "plan -C a -q"),
        ("-Ca -qv --env prod -ojson plan", "plan -Ca -qv --env prod -ojson"),
        ("--repo=a models -v list --uses x", "models list --repo=a -v --uses x"),
        ("models canary --debug start m@2", "models canary start --debug m@2"),
        ("-o json plam x", "plam -o json x"),
        ("plan -o json", "plan -o json"),
        ("get -C a v plan", "get -C a v plan"),
        ("-q --help", "--help"),
        ("--wrong plan", "--wrong plan"),
        ("-C", ""),
        ("", ""),
        ("help", "--help"),
        ("help plan", "plan --help"),
        ("-q help models canary", "models canary --help"),
        ("--env dev models lst", "models lst --env dev"),
        ("-q monitor chek x", "monitor chek -q x"),
        ("--env dev models", "models"),
        ("models -o json", "models"),
        ("-q models canary --help", "models canary --help"),
        ("--help -q", "--help"),
        ("-q -V", "-V"),
        ("-V -o json", "version -o json"),
        ("--output=json --version", "version --output=json"),
        ("get help", "get help"),
        ("models help", "models help"),
    ],
)
def test_options_of_every_command_may_stand_before_it(written, read):
    assert read_command_line(written.split()).in_order() == read.split()


def test_an_option_before_the_command_does_what_it_does_behind(capsys, tmp_path):
    for words in (["-C", str(tmp_path), "status"], ["status", "-C", str(tmp_path)]):
        assert main(words) == 64
        assert f"no featurectl.yaml in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_one_line(capsys, option):
    assert main([option]) == 0
    assert capsys.readouterr().out == f"featurectl {__version__}\n"


def test_the_version_is_json_where_that_is_asked_for(capsys):
    assert main(["-V", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["featurectl"] == __version__


@pytest.mark.parametrize("words", ["--env dev models", "models --env dev", "-q models -v"])
def test_a_group_alone_is_its_help_also_with_options(capsys, words):
    assert main(words.split()) == 64
    assert "Trained versions of models." in capsys.readouterr().err


def test_a_group_alone_is_an_error_in_json(capsys):
    assert main(["models", "canary", "-o", "json"]) == 64
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "models canary"
    assert document["result"]["error"]["hint"] == "featurectl models canary --help lists them"


@pytest.mark.parametrize("words", [["help", "models", "promote"], ["models", "promote", "--help"]])
def test_help_of_a_command_is_what_its_help_option_says(capsys, words):
    assert main(words) == 0
    assert "Make a model version the champion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("plam", 'did you mean "plan"?'),
        ("help plam", 'did you mean "plan"?'),
        ("models promot m", 'did you mean "promote"?'),
        ("--env dev models lst", 'did you mean "list"?'),
        ("-q monitor chek", 'did you mean "check"?'),
        ("promote m", "did you mean featurectl models promote?"),
        ("monitor canary abort", "featurectl --help lists them"),
        ("--as-of x status", "featurectl status --as-of TIME"),
        ("status --envv x", "did you mean --env?"),
        ("models diff m 1 2", "= featurectl models diff [OPTIONS] {MODEL@1} {MODEL@2}"),
    ],
)
def test_a_wrong_word_is_an_error_with_the_nearest(capsys, words, hint):
    assert main(words.split()) == 64
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "command"),
    [("models list --wrong", "models list"), ("plam", "plam"), ("-C x models show", "models show"), ("--wrong", "")],
)
def test_json_names_the_whole_command_that_was_refused(capsys, words, command):
    assert main([*words.split(), "-o", "json"]) == 64
    assert json.loads(capsys.readouterr().out)["command"] == command


def test_json_names_the_whole_command_that_ran(capsys, tmp_path):
    assert main(["models", "list", "-o", "json", "-C", str(tmp_path)]) == 64
    assert json.loads(capsys.readouterr().out)["command"] == "models list"


@pytest.fixture
def broken(tmp_path):
    """A repository with an error in each of two files."""
    (tmp_path / "data").mkdir()
    (tmp_path / "views").mkdir()
    (tmp_path / "featurectl.yaml").write_text("project: p\nenvironments: {dev: {registry: 'sqlite:///r.db'}}\n")
    (tmp_path / "a.yaml").write_text("entitis: []\n")
    (tmp_path / "views" / "b.yaml").write_text("sourcs: []\n")
    (tmp_path / "data" / "c.yaml").write_text("none: of it\n")
    return tmp_path


@pytest.mark.parametrize(("path", "first"), [(".", "a.yaml"), ("views", "a.yaml"), ("views/b.yaml", "views/b.yaml")])
def test_validate_takes_a_folder_or_a_file_that_comes_first(capsys, broken, path, first):
    assert main(["validate", str(broken / path), "-o", "json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert len(problems) >= 2
    assert problems[0]["path"].endswith(f"{broken.name}/{first}")


@pytest.mark.parametrize(
    ("path", "says"),
    [("data/c.yaml", "is no file that the repository"), ("x.yaml", "there is no"), ("../..", "no featurectl.yaml in")],
)
def test_validate_refuses_what_is_no_file_of_a_repository(capsys, broken, path, says):
    assert main(["validate", str(broken / path)]) == 64
    assert says in capsys.readouterr().err


def test_validate_takes_its_repository_once(capsys, broken):
    assert main(["validate", str(broken), "-C", str(broken)]) == 64
    assert "--repo" in capsys.readouterr().err
