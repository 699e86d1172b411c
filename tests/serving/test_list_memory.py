"""How much memory a server takes for lists of streams that are read again, as its option says."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.online.redis.kept_lists import KeptLists
from featurectl.online.stream_state import known_answers
from featurectl.serving.process import start
from featurectl.serving.settings import ServeSettings, dump_settings, load_settings

PROJECT = 'project: shop\nenvironments: {dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db"}}\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(1_000))
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text("entities: [{name: card, keys: {card: string}}]\n")
    assert main(["-C", str(tmp_path), "apply", "--auto-approve", "-q"]) == 0
    return tmp_path


@pytest.mark.parametrize(("words", "most"), [([], 64 << 20), (["--list-memory", "1.5GiB"], 3 << 29)])
def test_lists_have_the_memory_that_the_option_names(
    shop: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], most: int
):
    started: list[ServeSettings] = []
    monkeypatch.setattr(start, "run_server", started.append)
    assert main(["-C", str(shop), "serve", *words]) == 0
    [settings] = started
    assert settings.list_memory_bytes == most
    start.open_app(load_settings(dump_settings(settings)))
    assert (known_answers.HELD.most, KeptLists().most) == (most // 2, most // 2)


def test_what_is_no_size_is_an_error(shop: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["-C", str(shop), "serve", "--list-memory", "lots"]) == 64
    expected = "error: --list-memory 'lots' is no size\n  = write it like 64MiB; 0 remembers nothing\n"
    assert capsys.readouterr().err == expected
