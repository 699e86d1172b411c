"""Every URL that `online:` takes, from `apply` to the clients of applications; and what is said of those that fail."""

from __future__ import annotations

import asyncio
import os

import pytest

import featurectl
from tests.servers.dynamodb import ENVIRON
from tests.servers.redis import free_port, redis_server
from tests.two_environments import Repository, write_repository, write_warehouse

PROD = ("--env", "prod")
ASKED = (["spend:*", "last_visit:pages"], {"customer": ["a", "b", "nobody"]})


def repository_at(tmp_path, online_url) -> Repository:
    folder = tmp_path / "prod"
    variables = {
        "REGISTRY_URL": f"sqlite:///{folder}/registry.db",
        "OFFLINE_STORE": str(folder),
        "ONLINE_URL": online_url,
        "WAREHOUSE_URL": write_warehouse(folder / "warehouse.db"),
        **ENVIRON,
    }
    return Repository(write_repository(tmp_path / "repo"), variables)


@pytest.fixture
def in_environment(monkeypatch):
    """What sets the variables of a repository for this process."""
    return lambda repository: [monkeypatch.setitem(os.environ, *item) for item in repository.variables.items()]


async def asked_async(root):
    async with featurectl.open_async_client(root, "prod", budget_s=20) as client:
        return (await client.get(*ASKED)).values()


@pytest.mark.parametrize(
    "server", ["redis_url", "redis_tls_url", "valkey_url", "redis_cluster_url", "postgres_url", "dynamodb_url"]
)
@pytest.mark.sample(1)
def test_what_is_pushed_is_read_by_commands_and_applications(server, request, tmp_path, in_environment):
    repository = repository_at(tmp_path, request.getfixturevalue(server))
    repository.change("project: shop", f"project: shop_{server}", "featurectl.yaml")
    repository.done("apply", *PROD, "--auto-approve")
    repository.done("materialize", *PROD, "-q")
    assert "PRESENT" in repository.done("get", "spend", "customer=a", *PROD).out
    assert "ok" in repository.done("status", *PROD).out
    in_environment(repository)
    with featurectl.open_client(repository.root, "prod") as client:
        found = client.get(*ASKED).values()
    assert found == asyncio.run(asked_async(repository.root))
    assert found["count_7d"][:2] == [12, 12]
    assert repository.done("push", *PROD, "-o", "json").result is not None


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster", "rediss+cluster", "postgresql"])
def test_a_server_that_is_away_ends_a_command_with_69_and_its_address(scheme, tmp_path):
    url = f"{scheme}://ana:s3cret@127.0.0.1:{free_port()}/"
    ran = repository_at(tmp_path, url).run("apply", *PROD, "--auto-approve")
    assert (ran.code, "Traceback" in ran.err, "s3cret" in ran.out + ran.err) == (69, False, False)
    assert "${ONLINE_URL} can't be reached" in ran.err


def test_a_dynamodb_that_is_away_ends_a_command_with_69(tmp_path):
    url = f"dynamodb://eu-central-1/features?endpoint=http://127.0.0.1:{free_port()}"
    ran = repository_at(tmp_path, url).run("apply", *PROD, "--auto-approve")
    assert ran.code == 69
    assert "the online store ${ONLINE_URL} can't be reached: nothing answers there" in ran.err


def test_a_server_that_is_full_ends_a_push_with_69_and_a_hint(tmp_path):
    with redis_server() as server:
        repository = repository_at(tmp_path, server.url)
        repository.done("apply", *PROD, "--auto-approve")
        with server.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
        ran = repository.run("materialize", *PROD, "-q")
        assert ran.code == 69, ran
        assert "raise `maxmemory`" in ran.err
        with server.client() as client:
            client.config_set("maxmemory", 0)
        repository.done("materialize", *PROD, "-q")
        assert "PRESENT" in repository.done("get", "spend", "customer=a", *PROD).out


def test_an_unknown_kind_is_wrong_usage_that_names_those_that_there_are(tmp_path):
    ran = repository_at(tmp_path, "memcached://host/").run("apply", *PROD, "--auto-approve")
    assert ran.code == 64
    assert "sqlite:///, redis://, rediss://, redis+cluster://, rediss+cluster://, postgresql://, dynamodb://" in ran.err
