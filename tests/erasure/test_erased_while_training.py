"""A key that is erased while a model trains: no version is registered that has its rows beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.erasure.model_rows import ModelRowsPlace
from featurectl.operations.training import train, train_model
from featurectl.workspace.open import open_workspace
from tests.erasure.erasing import bury, request_of
from tests.model_shop import Shop, objects, open_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        yield opened


def versions(shop: Shop) -> list[int]:
    with open_workspace(shop.root, None, None, "unread") as workspace:
        return [version.version for version in workspace.state().model_versions]


def erase_before(monkeypatch: pytest.MonkeyPatch, shop: Shop, module: object, name: str, key: str) -> None:
    """Let a key be erased once, just before a function of a module is called."""
    whole: Callable[..., object] = getattr(module, name)
    left = [key]

    def first_erased(*words: object, **named: object) -> object:
        while left:
            with open_workspace(shop.root, None, None) as workspace:
                bury(workspace, "key", {"k": left.pop()})
        return whole(*words, **named)

    monkeypatch.setattr(module, name, first_erased)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("module", "name"),
    [(train_model, "register"), (train, "write_version")],
    ids=["before its files are written", "before it is registered"],
)
def test_rows_that_were_erased_meanwhile_register_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, module: object, name: str
):
    before = versions(shop)
    with monkeypatch.context() as patched:
        erase_before(patched, shop, module, name, "k1")
        said = shop.run("train", "m", code=75)
    assert "of the training set of m were erased meanwhile" in said.err
    assert "run it again" in said.err
    assert versions(shop) == before
    assert main(["train", "m", "-C", str(shop.root), "-q"]) == 0
    with open_workspace(shop.root, None, None, "unread") as workspace:
        found = ModelRowsPlace().look(request_of(workspace))
    assert (versions(shop), found) == ([*before, len(before) + 1], [])


def test_an_erasure_of_somebody_else_does_not_stop_it(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    before = versions(shop)
    erase_before(monkeypatch, shop, train, "write_version", "nobody")
    shop.run("train", "m")
    assert versions(shop) == [*before, len(before) + 1]
