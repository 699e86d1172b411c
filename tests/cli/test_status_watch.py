"""`status --watch`: a terminal is drawn anew, a pipe gets a block for each change, Ctrl-C ends it."""

from __future__ import annotations

import json
import sys

import pytest

from featurectl.cli.commands import status
from featurectl.cli.main import main
from featurectl.render.paint import STYLES
from featurectl.render.screen import text_width
from tests.cli.shop import fill_shop

CLEAR = "\x1b[H\x1b[2J"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(fill_shop(tmp_path))
    return tmp_path


@pytest.fixture
def looks(monkeypatch):
    """A function that watches while steps are done, one between two looks, then Ctrl-C comes; what it waited for."""
    waited = []

    def watch(*steps, words=("--watch", "3")):
        rest = iter(steps)

        def sleep(seconds):
            waited.append(seconds)
            step = next(rest, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        monkeypatch.setattr(status.time, "sleep", sleep)
        return main(["status", "-q", *words]), waited

    return watch


@pytest.mark.usefixtures("shop")
def test_a_pipe_gets_a_block_for_each_change(looks, capsys):
    def push():
        assert main(["push", "-q", "-o", "json", "spend"]) == 0
        json.loads("{" + capsys.readouterr().out.partition("{")[2])

    code, waited = looks(lambda: None, lambda: None, capsys.readouterr, push)
    told = capsys.readouterr()
    assert (code, waited) == (130, [3.0] * 5)
    assert told.out.startswith("\nview ")  # what was there before the push was read away
    assert told.out.count("view ") == 1
    assert "not pushed to the online store yet" in told.out  # of the other view
    assert "interrupted" in told.err


def test_a_registry_that_is_gone_for_a_while_does_not_end_it(shop, looks, capsys):
    registry = shop / "r.db"
    whole = registry.read_bytes()
    code, _ = looks(lambda: registry.write_bytes(b"no database"), lambda: registry.write_bytes(whole))
    told = capsys.readouterr().out
    assert code == 130
    assert "\n\nerror: registry sqlite:///r.db can't be used: file is not a database\n\nview " in told
    registry.write_bytes(b"no database")
    assert looks()[0] == 69  # it was never there


@pytest.mark.usefixtures("shop")
def test_time_that_goes_by_is_no_change(looks, capsys):
    assert looks(lambda: None, lambda: None)[0] == 130
    assert capsys.readouterr().out.count("view ") == 1


@pytest.mark.usefixtures("shop")
def test_a_terminal_is_drawn_anew_each_time(looks, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert looks(lambda: None, words=("--watch",)) == (130, [10.0, 10.0])
    assert capsys.readouterr().out.count(CLEAR) == 2


@pytest.mark.usefixtures("shop")
def test_what_is_watched_fits_the_screen_and_has_colors(looks, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert looks(lambda: None)[0] == 130
    lines = capsys.readouterr().out.splitlines()
    assert max(map(text_width, lines)) <= 50
    assert any(f"\x1b[{STYLES['good']}mOK\x1b[0m" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["5"], "'5', and no --watch"),
        (["--watch", "0"], "--watch '0' is not within bounds"),
        (["--watch", "inf"], "--watch 'inf' is no length of time"),
        (["--watch", "-o", "json"], "--watch has no output 'json'"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_cannot_be_watched_is_wrong_usage(capsys, words, told):
    assert main(["status", *words]) == 64
    assert told in "".join(capsys.readouterr())
