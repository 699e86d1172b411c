"""Exit codes, JSON documents and crashes: what the command line promises whatever the command."""

import json

import polars as pl
import pytest

from featurectl.cli import main as entry
from featurectl.cli.main import exit_code_of, main
from featurectl.cli.shared.call import Invocation
from featurectl.core.errors import (
    BusyStoreError,
    CheckFailedError,
    DataError,
    PlanError,
    ProblemsError,
    StoreError,
    TryAgainError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 64),
        (StoreError("x"), 69),
        (BusyStoreError("x"), 75),
        (TryAgainError("x"), 75),
        (DataError("x"), 1),
        (PlanError("x"), 1),
        (CheckFailedError("x"), 1),
        (ProblemsError("x", ()), 1),
    ],
)
def test_each_error_has_one_exit_code(error, code):
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["plam"], "No such command 'plam'"),
        (["plan", "--wrong"], "No such option: --wrong"),
        (["train"], "Missing argument 'model'"),
        (["version", "-o", "sarif"], "version has no output 'sarif'"),
        (["version", "--color", "blue"], "no color 'blue'"),
        (["status", "--as-of", "yesterday"], "--as-of 'yesterday' is not an instant"),
    ],
)
def test_wrong_usage_is_64_with_one_clear_line(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text("project: p\n")
    assert main(argv) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_folder_without_a_repository_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 64
    assert f"no featurectl.yaml in {tmp_path}" in capsys.readouterr().err


def test_json_is_exactly_one_document(capsys):
    assert main(["version", "-o", "json", "-v"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err.startswith("version: ")
    assert (document["schema_version"], document["command"], document["ok"]) == (2, "version", True)
    assert set(document) == {"schema_version", "command", "ok", "exit_code", "problems", "result"}


def test_an_error_is_in_the_json_document_too(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["status", "-o", "json"]) == 64
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 64
    assert "no featurectl.yaml" in document["result"]["error"]["message"]


def crash_of(monkeypatch, fault):
    """Let every command fail of a fault of our own."""

    def run():
        raise fault

    def crash(_argv, **_):
        return Invocation(call=main_call(["version"]), run=run)

    def main_call(argv):
        return real(argv)(argv, standalone_mode=False).call

    real = entry.build_parser
    monkeypatch.setattr(entry, "build_parser", lambda _: crash)


@pytest.mark.parametrize("fault", [ZeroDivisionError("division by zero"), pl.exceptions.PanicException("far away")])
def test_a_fault_of_ours_is_two_lines_and_a_log(capsys, tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    crash_of(monkeypatch, fault)
    assert main(["version"]) == 70
    err = capsys.readouterr().err
    assert err.startswith(f"error: this is a fault of featurectl, not yours: {type(fault).__name__}: {fault}\n")
    assert len(err.splitlines()) == 2
    (log,) = (tmp_path / ".featurectl").glob("crash-*.log")
    assert "Traceback" in log.read_text()


def test_no_log_of_a_crash_goes_through_a_link_of_a_repository(tmp_path, tmp_path_factory, monkeypatch, capsys):
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "featurectl.yaml").write_text("project: p\n")
    (tmp_path / ".featurectl").symlink_to(outside)
    monkeypatch.chdir(tmp_path)
    crash_of(monkeypatch, ZeroDivisionError("x"))
    assert main(["version"]) == 70
    assert "run it again with --debug" in capsys.readouterr().err
    assert list(outside.iterdir()) == []


@pytest.mark.usefixtures("capsys")
def test_ctrl_c_is_130(monkeypatch):
    def interrupted(_argv, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "build_parser", lambda _: interrupted)
    assert main(["version"]) == 130
