"""Every command at 80 and 120 columns: what it says in the main job, no line of it too long; and its help."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import pytest

from featurectl.cli.all_commands import COMMANDS
from featurectl.cli.main import main
from featurectl.render.screen import text_width
from tests.cli.every_command import JOB, Said, do_job, names_of_the_tree, stable
from tests.cli.golden import FOLDER

pytestmark = pytest.mark.long  # a whole job, by every command

WIDTHS = (80, 120)
LINES = [step for step in JOB if isinstance(step, str)]
OF_PROGRAMS = ("serve",)  # its log has a line an event, for programs that collect it


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, list[Said]]:
    """What every command said, by width; GOLDEN=write writes it again, for a person to read the diff."""
    found = {}
    for width in WIDTHS:
        found[width] = do_job(tmp_path_factory.mktemp("job") / "shop", width)
        if os.environ.get("GOLDEN") == "write":
            text = "".join(f"$ featurectl {each.line}\n{stable(each.text)}\n" for each in found[width])
            (FOLDER / f"every_command_{width}.txt").write_text(text, encoding="utf-8")
    return found


def written(width: int) -> dict[int, str]:
    """Return what the golden file of a width has for each line of the job, in its order."""
    text = (FOLDER / f"every_command_{width}.txt").read_text(encoding="utf-8")
    return dict(enumerate(re.split(r"^\$ featurectl ", text, flags=re.MULTILINE)[1:]))


def test_the_job_has_every_command_of_the_tree(said):
    assert {each.command for each in said[80]} == names_of_the_tree() == set(COMMANDS)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("place", range(len(LINES)), ids=LINES)
def test_a_command_says_what_it_says_in_lines_that_fit(said, place, width):
    each = said[width][place]
    assert f"{each.line}\n{stable(each.text)}\n" == written(width)[place], "GOLDEN=write writes it again"
    if each.command not in OF_PROGRAMS:
        assert [line for line in each.text.splitlines() if text_width(line) > width] == []


def test_a_command_ends_with_the_same_code_at_any_width(said):
    codes = {width: [(each.line, each.exit_code) for each in said[width]] for width in WIDTHS}
    assert codes[80] == codes[120]
    found = {"test", "verify --store", "status", "status -v", "why spend", "monitor check", "monitor check --dry-run"}
    found |= {"why last_order customer=c1 day=2026-01-11"}
    assert {line for line, code in codes[80] if code == 1} == found
    assert {line for line, code in codes[80] if code not in (0, 1)} == {
        "models retire big@1 --dry-run",
        "stream reset swipes -C ../cards",
        "unlock 4f1c2a",
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["", "models", "models canary", "monitor", "stream", *COMMANDS])
def test_help_fits(capsys, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: " in text
    assert [line for line in text.splitlines() if text_width(line) > width] == []
