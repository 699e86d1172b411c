"""The same faults on servers, and that nothing differs there where nothing is spoiled."""

from __future__ import annotations

import shutil

import pytest
import redis

from tests.monitor.verify.injections import DAY, HOME, NOW, inject_store, read_orders
from tests.monitor.verify.shop import log_folder, request_rows, run, serve_rows
from tests.monitor.verify.test_injections import CAUSES, in_log, in_store


@pytest.fixture(params=["redis_url", "postgres_url", pytest.param("dynamodb_url", marks=pytest.mark.long)])
def url(request):
    """The URL of a server that has nothing of the repository."""
    found = request.getfixturevalue(request.param)
    if request.param == "redis_url":
        with redis.Redis.from_url(found) as client:
            for key in client.scan_iter(match=f"{HOME}*"):
                client.delete(key)
    return found


@pytest.fixture
def shop(built, tmp_path, url, monkeypatch):
    """A copy of the repository whose rows are on a server, without a log."""
    monkeypatch.setenv("ONLINE", url)
    root = shutil.copytree(built, tmp_path / "repo")
    shutil.rmtree(log_folder(root))
    run(root, "push", "--as-of", (NOW - DAY).isoformat())
    run(root, "push")
    return root


@pytest.mark.sample(1)
def test_where_nothing_is_spoiled_nothing_differs(shop, capsys):
    serve_rows(shop, request_rows(60))
    assert in_log(shop, capsys) == (0, {})
    assert in_store(shop, capsys) == (0, {})


@pytest.mark.long
@pytest.mark.parametrize("fault", CAUSES)
@pytest.mark.sample(1)
def test_a_fault_on_a_server_is_found_and_named(shop, capsys, url, fault):
    assert inject_store(fault, read_orders(shop / "orders.parquet"), url) >= 3
    code, causes = in_store(shop, capsys)
    assert (code, set(causes)) == (1, {CAUSES[fault]})
    serve_rows(shop, request_rows(120, seed=2))
    code, causes = in_log(shop, capsys)
    assert (code, set(causes)) == (1, {CAUSES[fault]})
