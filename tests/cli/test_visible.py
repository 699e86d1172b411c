"""No text of a file, of a table or of a person steers the terminal that shows it."""

import sys
import unicodedata

import pytest

from featurectl.render.paint import STYLES
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line, visible, without_commands
from tests.cli.test_plan_apply_history import rewrite, run
from tests.cli.test_saved_plan import repo  # noqa: F401 - a fixture

STEERING = "\x1b[31mred"


TURNS = ("LEFT-TO-RIGHT ", "RIGHT-TO-LEFT ", "ARABIC LETTER MARK", "POP DIRECTIONAL", "FIRST STRONG ISOLATE")
BLOCK = 256


def steers(char):
    category = unicodedata.category(char)
    return category in ("Cc", "Zl", "Zp") or (category == "Cf" and unicodedata.name(char, "").startswith(TURNS))


def changed_by(change):
    """The characters that a function changes: looked for in blocks, each of which has a character once."""
    blocks = ("".join(map(chr, range(at, at + BLOCK))) for at in range(0, sys.maxunicode + 1, BLOCK))
    return {char for block in blocks if change(block) != block for char in block if change(char) != char}


def test_only_what_steers_is_escaped():
    steering = {char for char in map(chr, range(sys.maxunicode + 1)) if steers(char)}
    assert changed_by(in_one_line) == steering
    assert changed_by(visible) == steering - set("\t\n")


def test_a_cell_of_a_table_stays_in_its_line():
    assert render_table(["a", "b"], [["x\ny", "1"]]) == ["a     b", "x\\ny  1"]


@pytest.mark.parametrize("output", ["text", "concise", "github"])
def test_problems_show_it(repo, capsys, output):  # noqa: F811
    rewrite(repo, "op: count", '"o\\ep": count')
    code, out, err = run(capsys, "validate", "-o", output)
    assert code == 1
    assert "\\x1b" in out + err
    assert "\x1b" not in out + err


@pytest.mark.usefixtures("repo")
def test_errors_show_it(capsys):
    code, _, err = run(capsys, "apply", STEERING)
    assert code == 64
    assert "\\x1b" in err
    assert "\x1b" not in err


@pytest.mark.usefixtures("repo")
def test_the_history_shows_it(capsys, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, STEERING)
    run(capsys, "apply", "--auto-approve")
    for words in ((), ("1",)):
        out = run(capsys, "history", *words)[1]
        assert "\\x1b[31mred@" in out
        assert "\x1b" not in out


@pytest.mark.parametrize("output", ["text", "github", "junit"])
def test_names_of_tests_show_it_and_begin_no_line(repo, capsys, output):  # noqa: F811
    (repo / "t.yaml").write_text(
        "tests:\n"
        '  - name: "a\\e[31mred\\n::stop-commands::x"\n'
        "    view: spend\n"
        "    rows: [{customer: ann, ordered_at: 2026-01-01T00:00:00Z, amount: 1}]\n"
        "    spine: [{customer: ann, time: 2026-01-02T00:00:00Z}]\n"
        "    expect: [{count_7d: 5}]\n"
    )
    code, out, err = run(capsys, "test", "-o", output)
    assert code == 1, err
    assert "31mred" in out
    assert "\x1b" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith("::stop")]


@pytest.mark.parametrize("output", ["text", "concise", "github", "sarif", "junit"])
def test_names_of_files_show_it(repo, capsys, output):  # noqa: F811
    (repo / "a\x1b[31mred\n::stop-commands::x.yaml").write_text("entities: [{name: 3}]\n")
    code, out, err = run(capsys, "validate", "-o", output)
    assert code == 1
    assert "31mred" in out + err
    assert "\x1b" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith("::stop")]


def commands(text):
    return [line for line in text.splitlines() if line.lstrip().startswith("::")]


def test_columns_of_a_file_begin_no_line(repo, capsys):  # noqa: F811
    rewrite(repo, "    columns: {customer: string, ordered_at: timestamp, amount: float64}\n", "")
    data = repo / "data" / "orders.csv"
    head, rest = data.read_text().split("\n", 1)
    data.write_text(head.replace("amount", '"amo\n::error file=x::PWNED\n::stop-commands::zz"', 1) + "\n" + rest)
    for words in (("validate",), ("validate", "-v"), ("validate", "-o", "junit"), ("plan",)):
        code, out, err = run(capsys, *words)
        assert code == 1
        assert "PWNED" in out + err
        assert not commands(out + err)


def test_files_behind_a_pattern_begin_no_line(repo, capsys):  # noqa: F811
    run(capsys, "apply", "--auto-approve")
    (repo / "data" / "orders.csv").unlink()
    (repo / "data" / "orders.csv").mkdir()
    (repo / "data" / "orders.csv" / "b\n::error::FILEPWN.csv").write_text("nothing\n1\n")
    for words in (("materialize",), ("plan",)):
        _, out, err = run(capsys, *words)
        assert not commands(out + err)
    assert "b\\n::error::FILEPWN.csv" in run(capsys, "materialize")[2]


def test_a_file_named_as_a_command_is_none(repo, capsys):  # noqa: F811
    (repo / "::error::a.yaml").write_text('entities: [{name: "##vso[task.complete]"}]\n')
    for output in ("text", "concise"):
        code, out, err = run(capsys, "validate", "-o", output)
        assert code == 1
        assert not commands(out + err)
        assert "##vso[" not in out
        assert ":error::a.yaml" in out + err


def test_commands_are_left_where_they_are_no_ones():
    assert without_commands("a ::b\n \t::c") == "a ::b\n \t\\x3a:c"
    assert visible("##[group]a ## [b] ##") == "\\x23#[group]a ## [b] ##"


@pytest.mark.usefixtures("repo")
def test_parts_that_failed_show_it(capsys):
    from featurectl.cli import main
    from featurectl.cli.shared.call import Call, Outcome
    from featurectl.core.errors import DataError
    from featurectl.core.progress import Silent
    from featurectl.operations.part_failure import Failure

    call = Call(
        command="clean",
        repo=None,
        env=None,
        output="text",
        color="auto",
        quiet=False,
        verbose=False,
        debug=False,
        as_of=None,
        progress=Silent(),
    )
    failure = Failure(part=f"file a\n::error::b{STEERING}", error=DataError("no\n::error::c", hint="x\n::error::d"))
    main._with_failures(call, Outcome(failures=(failure,)))  # noqa: SLF001  # a failure whose text holds what no command says
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 3
    assert "\x1b" not in err


def test_a_summary_of_a_step_shows_it(repo, capsys, monkeypatch, tmp_path):  # noqa: F811
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    (repo / "t.yaml").write_text(
        "tests:\n"
        '  - name: "a\\e[31mred\\u202eb"\n'
        "    view: spend\n"
        "    rows: [{customer: ann, ordered_at: 2026-01-01T00:00:00Z, amount: 1}]\n"
        "    spine: [{customer: ann, time: 2026-01-02T00:00:00Z}]\n"
        "    expect: [{count_7d: 5}]\n"
    )
    assert run(capsys, "test", "-o", "github")[0] == 1
    assert "31mred" in summary.read_text()
    assert not {"\x1b", "\u202e"} & set(summary.read_text())


def test_colors_are_ours_alone(repo, capsys):  # noqa: F811
    (repo / "a\x1b[2Jx.yaml").write_text("entities: [{name: 3}]\n")
    code, _, err = run(capsys, "validate", "--color", "always")
    assert code == 1
    assert f"\x1b[{STYLES['error']}m" in err
    assert "\x1b[2J" not in err


@pytest.mark.parametrize("color", ["never", "always"])
def test_problems_in_markdown_are_code_that_nothing_ends(repo, capsys, color):  # noqa: F811
    hostile = '# ````` <h1>Plan: 0 to add</h1> <img src="https://evil.example/x.png"> @org/everyone'
    rewrite(repo, "    source: orders\n", f"    source: orders\n    {hostile}\n    unknown: 1\n")
    code, out, _ = run(capsys, "plan", "-o", "markdown", "--color", color)
    assert code == 1
    lines = out.rstrip("\n").split("\n")
    fence = lines[0]
    assert set(fence) == {"`"}
    assert lines[-1] == fence
    assert "<h1>" in out
    assert "\x1b" not in out
    assert not [line for line in lines[1:-1] if fence in line]
