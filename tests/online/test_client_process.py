"""What a client loads into an application's process, and what Ctrl-C leaves behind in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import redis

import featurectl
from featurectl.core.errors import StoreError
from tests.serving.clicks import build_clicks, run, write_clicks

HEAVY = {"polars", "numpy", "pandas", "pyarrow", "deltalake", "sqlalchemy", "alembic", "lightgbm", "sklearn"}
APPLICATION = """
import asyncio, json, sys
import featurectl

ENTITIES = {"user": [1, 2], "merchant": ["m1", "m2"], "hour": [3, 4], "price": [2.0, 3.0]}
ASKED = ["spend:*", "profile:age"]

async def read():
    async with featurectl.open_async_client(sys.argv[1]) as client:
        found = await client.get(ASKED, ENTITIES)
        return found.values(), await client.inputs("click", ENTITIES)

with featurectl.open_client(sys.argv[1]) as client:
    found = client.get(ASKED, ENTITIES).values(), client.inputs("click", ENTITIES)
    client.reload()
assert found == asyncio.run(read())
print(json.dumps([len(found[1]), sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    return build_clicks(write_clicks(tmp_path_factory.mktemp("loaded") / "repo"))


@pytest.mark.long
def test_an_application_loads_no_frames_and_no_library_of_unused_stores(clicks):
    done = subprocess.run([sys.executable, "-c", APPLICATION, str(clicks)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    inputs, modules = json.loads(done.stdout)
    assert inputs == 9
    assert {module.split(".")[0] for module in modules} & (HEAVY | {"redis"}) == set()


def interrupted(method):
    """Return a method that Ctrl-C ends at its second call, once."""
    calls = []

    def call(*given, **named):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return method(*given, **named)

    return call


def test_ctrl_c_between_two_answers_of_redis_leaves_none_for_the_next_read(clicks, redis_url, monkeypatch):
    monkeypatch.setenv("ONLINE", redis_url)
    run(clicks, "push", "--env", "logged")
    users = {"user": [1, 2, 3, 4, 5]}
    with featurectl.open_client(clicks, "logged") as client:
        expected = client.get(["spend:*"], users).values()
        with monkeypatch.context() as patch:
            patch.setattr(redis.Connection, "read_response", interrupted(redis.Connection.read_response))
            with pytest.raises(KeyboardInterrupt):
                client.get(["spend:*"], {"user": [9, 8, 7, 6, 5]})
        assert client.get(["spend:*"], users).values() == expected


def test_ctrl_c_in_a_read_of_sqlite_leaves_nothing_for_the_next_one(clicks):
    with featurectl.open_client(clicks) as client:
        expected = client.get(["spend:*"], {"user": [1, 2, 3]}).values()
        connection = client._store.bytes._connection  # noqa: SLF001  # counts the reads of its store
        connection.set_progress_handler(interrupted(lambda: 0), 1)  # Ctrl-C comes between two steps of a statement
        with pytest.raises(StoreError, match="interrupted"):
            client.get(["spend:*"], {"user": [4]})
        connection.set_progress_handler(None, 0)
        assert client.get(["spend:*"], {"user": [1, 2, 3]}).values() == expected
