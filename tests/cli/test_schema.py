"""`schema` writes what editors check the files with."""

import json

import pytest

from featurectl.cli.main import main
from featurectl.language.json_schema import file_schema, project_schema
from featurectl.language.shapes.objects import LISTS


def test_schema_is_that_of_the_files_with_lists(capsys):
    assert main(["schema"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == file_schema()
    assert list(shown["properties"]) == list(LISTS)


def test_featurectl_yaml_has_a_schema_of_its_own(capsys):
    assert main(["schema", "--project"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == project_schema()
    assert shown["required"] == ["project", "environments"]


@pytest.mark.parametrize(("options", "made"), [([], file_schema()), (["--project"], project_schema())])
def test_schema_goes_to_a_file_as_init_writes_it(options, made, tmp_path, capsys):
    name = "project.schema.json" if options else "schema.json"
    assert main(["init", str(tmp_path / "repo"), "--template", "minimal"]) == 0
    assert main(["schema", *options, "--out", str(tmp_path / name)]) == 0
    assert f"wrote {tmp_path / name}" in capsys.readouterr().out
    assert json.loads((tmp_path / name).read_text()) == made
    assert (tmp_path / name).read_bytes() == (tmp_path / "repo" / ".featurectl" / name).read_bytes()


def test_json_holds_the_schema_as_the_result(capsys):
    assert main(["schema", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == file_schema()


def test_a_file_that_cant_be_written_is_a_usage_error(tmp_path, capsys):
    assert main(["schema", "--out", str(tmp_path / "none" / "x.json")]) == 64
    assert "can't be written" in capsys.readouterr().err


def test_schema_needs_no_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "-q"]) == 0
