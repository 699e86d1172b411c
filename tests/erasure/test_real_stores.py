"""Erasures with real servers that are gone, hang, are killed in the middle, or come back from a backup."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from featurectl.cli.main import main
from featurectl.online.postgres.store import PostgresBytes
from tests.end_to_end.test_hanging_stores import hurry
from tests.erasure.real_stores import CANARY, Server, own_store
from tests.model_shop import PROJECT, VIEWS, Shop, open_shop, write_files
from tests.servers.pausing import hanging
from tests.streaming.session.swipes import Swipes

pytestmark = pytest.mark.long
LIMIT_S = 30
UNFINISHED = "Not finished: online store. `featurectl erase --again` goes on once what failed is mended."
REMINDED = "1 erasure is not finished: `featurectl erase --again`"
RESTORED = "online store: restored from before an erasure"


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with own_store(request.param, tmp_path_factory.mktemp("backup")) as own:
        yield own


@pytest.fixture
def shop(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        write_files(tmp_path, VIEWS)
        with (tmp_path / "s.csv").open("a") as rows:
            rows.write(f"{CANARY},2026-01-02T00:00:00Z,a,7,1.5\n")
        (tmp_path / "featurectl.yaml").write_text(PROJECT.replace("sqlite:///on.db", server.url))
        opened.run("apply", "--auto-approve")
        opened.run("materialize")
        assert server.found()
        yield opened


class _Gone:
    """A server that is gone as long as this lasts; what it has it has of its backup."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.save()
        self._server.kill()

    def __exit__(self, *_: object) -> None:
        self._server.start()
        self._server.restore()


Away = Callable[[Server], AbstractContextManager[None]]


@pytest.mark.parametrize("away", [_Gone, lambda server: hanging(server.pid())], ids=["gone", "hangs"])
def test_a_store_that_does_not_answer_is_named_until_it_is_done_over(
    shop: Shop, server: Server, monkeypatch: pytest.MonkeyPatch, away: Away
):
    hurry(monkeypatch, 1)
    with away(server):
        begun = time.monotonic()
        said = shop.run("erase", "key", f"k={CANARY}", code=69)
        assert "error[FC602]" in said.err
        assert UNFINISHED in said.out
        assert REMINDED in shop.run("status", code=1).out
        assert time.monotonic() - begun < LIMIT_S
    assert server.found()
    assert REMINDED in shop.run("status").out
    assert UNFINISHED not in shop.run("erase", "--again").out
    assert server.found() == []
    assert "eras" not in shop.run("status").out


@pytest.mark.parametrize("words", [["erase", "--again"], ["push"], ["materialize"]], ids=" ".join)
def test_a_backup_of_a_store_is_named_and_cleaned(shop: Shop, server: Server, words: list[str]):
    server.save()
    shop.run("erase", "key", f"k={CANARY}")
    assert server.found() == []
    assert "eras" not in shop.run("status").out
    server.restore()
    assert server.found()
    assert RESTORED in shop.run("status").out
    assert "NOT_FOUND" in shop.run("get", "v", f"k={CANARY}").out
    shop.run(*words)
    assert server.found() == []
    assert "eras" not in shop.run("status").out


@pytest.mark.parametrize("step", ["remove_keys", "wipe", "_rows", "put_record"])
@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_a_postgres_that_is_killed_in_the_middle_is_done_over(shop: Shop, server: Server, step: str):
    server.save()

    def killed(self: PostgresBytes, *given: Any, **named: Any) -> Any:
        server.kill()
        return kept(self, *given, **named)

    kept = getattr(PostgresBytes, step)
    for words, reminded in ((["key", f"k={CANARY}"], REMINDED), (["--again"], RESTORED)):
        server.restore()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(PostgresBytes, step, killed)
            assert UNFINISHED in shop.run("erase", *words, code=69).out
        server.start()
        rows_miss = step == "put_record"  # which status says, too: the row is gone, and the push of it on record
        assert reminded in shop.run("status", code=int(rows_miss)).out
        shop.run("erase", "--again")
        assert server.found() == []
        if rows_miss:
            shop.run("push")
        assert "eras" not in shop.run("status").out


@pytest.mark.parametrize("words", [["erase", "--again"], ["stream", "rebuild", "spend"]], ids=" ".join)
def test_restored_lists_are_named_and_cleaned(
    tmp_path: Path, server: Server, words: list[str], capsys: pytest.CaptureFixture[str]
):
    def run(*words: str) -> str:
        capsys.readouterr()
        assert main(["-C", str(tmp_path), *words, "-q"]) in ((0, 1) if words[0] == "status" else (0,))
        return capsys.readouterr().out

    swipes = Swipes(root=tmp_path, online=server.url)
    swipes.send(4, card=CANARY)
    swipes.send(2)
    run("stream", "run", "--once")
    server.save()
    run("erase", "card", f"card={CANARY}")
    assert server.found() == []
    server.restore()
    assert "lists of spend@1: restored from before an erasure" in run("status")
    run(*words)
    assert "eras" not in run("status")
    assert server.found() == []
    assert (swipes.values() or {})["amount_count_1h"] == 3
