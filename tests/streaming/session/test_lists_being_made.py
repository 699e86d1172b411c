"""Whoever reads a view of which lists are being made hears that, and not that no worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import featurectl
from featurectl.cli.main import main
from featurectl.core.errors import DataError
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.streaming.session.swipes import OBJECTS, Swipes
from tests.streaming.session.test_rebuild_and_reset import name_lists

ASK = ["spend:*"], {"card": ["c1"]}
HINT = "ask again in a while; featurectl stream status swipes says when they are read, and whether a worker runs"
Ask = Callable[[Path], tuple[str, str]]  # the message and the hint of what is refused


def of_the_project(root: Path) -> tuple[str, str]:
    with pytest.raises(DataError) as refused:
        featurectl.open_project(root).get("spend", {"card": "c1"})
    return refused.value.message, refused.value.hint


def of_the_client(root: Path) -> tuple[str, str]:
    with featurectl.open_client(root) as client, pytest.raises(DataError) as refused:
        client.get(*ASK)
    return refused.value.message, refused.value.hint


def of_the_async_client(root: Path) -> tuple[str, str]:
    async def read() -> None:
        async with featurectl.open_async_client(root, budget_s=20) as client:
            await client.get(*ASK)

    with pytest.raises(DataError) as refused:
        asyncio.run(read())
    return refused.value.message, refused.value.hint


def of_the_server(root: Path) -> tuple[str, str]:
    with TestClient(open_app(ServeSettings(root=str(root), timeout_s=20, store_timeout_s=10))) as client:
        answer = client.post("/v1/features", json={"features": ASK[0], "entities": ASK[1]})
        assert "no worker has run" not in client.get("/v1/views").text + client.get("/fresh").text
    assert (answer.status_code, answer.json()["code"]) == (503, "FC550")
    return answer.json()["detail"], answer.json()["hint"]


EVERYBODY = pytest.mark.parametrize("ask", [of_the_project, of_the_client, of_the_async_client, of_the_server])


@EVERYBODY
def test_everybody_says_that_lists_are_being_made(tmp_path: Path, ask: Ask):
    swipes = Swipes(root=tmp_path)
    assert ask(tmp_path)[0] == "view spend@1 is not online: no worker of the stream swipes has brought it there yet"
    swipes.send(4)
    assert main(["stream", "run", "-C", str(tmp_path), "-q", "--once"]) == 0
    name_lists(swipes, replace=True)
    assert ask(tmp_path) == ("view spend@1 is not online: lists of it are being made", HINT)


@EVERYBODY
def test_so_it_is_of_lists_that_get_a_new_feature(tmp_path: Path, ask: Ask):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert main(["stream", "run", "-C", str(tmp_path), "-q", "--once"]) == 0
    swipes.apply(OBJECTS.replace("windows: [1h]", "windows: [1h, 3h]"))
    name_lists(swipes, replace=False)
    said, hint = ask(tmp_path)
    assert "features amount_sum_3h, amount_count_3h of view spend@1 are not online yet: lists of it are" in said
    assert hint == HINT


def test_get_says_so_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert main(["stream", "run", "-C", str(tmp_path), "-q", "--once"]) == 0
    name_lists(swipes, replace=True)
    assert main(["-C", str(tmp_path), "get", "spend", "card=c1"]) == 1
    assert "error[FC550]: view spend@1 is not online: lists of it are being made" in capsys.readouterr().err


def test_a_server_says_so_of_what_it_serves(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.apply(OBJECTS.replace("    source: swipes\n", "    source: swipes\n    freshness: {error_after: 1d}\n"))
    swipes.send(4)
    assert main(["stream", "run", "-C", str(tmp_path), "-q", "--once"]) == 0
    name_lists(swipes, replace=True)
    being_made = "is not online: lists of it are being made"
    with TestClient(open_app(ServeSettings(root=str(tmp_path), timeout_s=20, store_timeout_s=10))) as client:
        assert client.get("/v1/views").json()["waiting"] == [f"spend@1 is applied but {being_made}"]
        assert client.get("/fresh").json()["problems"] == [f"view spend@1 {being_made}"]
        assert f"spend@1 is applied but {being_made}" in client.get("/ready").json()["warnings"]
