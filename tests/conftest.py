"""Servers that tests of several folders use, and what holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import hypothesis.core
import pytest
from hypothesis import settings

from tests.samples import leave_out
from tests.seeds import FIRST, IS_FRESH, REPEAT
from tests.servers.azure import AzureServer, running_azure
from tests.servers.bigquery import BigQueryServer, running_bigquery
from tests.servers.cluster import Cluster, started_cluster
from tests.servers.dynamodb import ENVIRON, DynamoServer, running_dynamodb
from tests.servers.kafka import kafka_server
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.redis import redis_server, running_redis, valkey_program
from tests.servers.s3 import S3Server, running_s3
from tests.servers.snowflake import SnowflakeServer, running_snowflake
from tests.servers.tls import Certificates, tls_proxy

collect_ignore_glob = ["servers/*_program.py", "pipelines/render/schedulers/*_program.py"]  # of other environments
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # of trainers: threads that wait leave the cores to other tests
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # of ONNX Runtime, which tests/warm.py loads by itself
os.environ.pop("COLUMNS", None)  # workers of pytest have one: what is not about widths is read as in a pipe
os.unsetenv("COLUMNS")  # readline sets it for programs that are started, beside Python's own list of variables
signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background jobs ignore it, and hand that down
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=30)  # a busy machine is no failure
settings.register_profile("fresh", deadline=None, derandomize=False, database=None, print_blob=True)
settings.load_profile("fresh" if IS_FRESH else "fixed")
if IS_FRESH:
    hypothesis.core.global_force_seed = FIRST  # type: ignore[assignment]


gc.disable()  # until the tests are found: what finding them makes stays, and searching it again and again is a quarter


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of searches for what isn't used any more, which come seldom: they take long."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave cases that are not in a test's sample to `make long`."""
    leave_out(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how fresh random cases are repeated."""
    if IS_FRESH:
        terminalreporter.write_line(REPEAT)


@pytest.fixture(scope="session")
def bigquery_server() -> Iterator[BigQueryServer]:
    """An emulator of BigQuery of this test process: for tests marked as guests."""
    with running_bigquery() as server:
        yield server


@pytest.fixture
def bigquery_url(bigquery_server: BigQueryServer) -> str:
    """The URL of an empty dataset of this test alone."""
    return bigquery_server.url(bigquery_server.made_dataset())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test alone."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server of this test process; tests keep apart by the names of their projects."""
    with running_redis() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The URL of a Valkey server of this test process."""
    with redis_server(program=valkey_program()) as server:
        yield server.url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority for tests, and a certificate for this machine."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def redis_tls_url(certificates: Certificates) -> Iterator[str]:
    """The URL of a Redis behind TLS, of this test process."""
    with redis_server() as server, tls_proxy(certificates, server.port) as port:
        yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificates.authority_file}"


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[Cluster]:
    """A Redis Cluster of this test process."""
    with started_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_cluster_url(redis_cluster: Cluster) -> str:
    """The URL of a Redis Cluster of this test process."""
    return redis_cluster.url


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """The URL of a broker that speaks Kafka's protocol, of this test process."""
    with kafka_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[DynamoServer]:
    """A DynamoDB of this test process; tests keep apart by their tables."""
    with running_dynamodb() as server:
        yield server


@pytest.fixture
def dynamodb_url(dynamodb_server: DynamoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store in a table of this test alone, which is not there yet."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return dynamodb_server.url()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 of this test process; tests keep apart by their locations in its bucket."""
    with running_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """That S3, in the environment of this test alone."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    """An object store of Azure of this test process; tests keep apart by their locations in its container."""
    with running_azure() as server:
        yield server


@pytest.fixture(scope="session", params=["s3", pytest.param("azure", marks=pytest.mark.guests)])
def bucket_server(request: pytest.FixtureRequest) -> S3Server | AzureServer:
    """An object store of each kind that there is here."""
    server: S3Server | AzureServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture
def bucket(bucket_server: S3Server | AzureServer, monkeypatch: pytest.MonkeyPatch) -> S3Server | AzureServer:
    """An object store of each kind, in the environment of this test alone."""
    for name, value in bucket_server.environ.items():
        monkeypatch.setenv(name, value)
    return bucket_server


@pytest.fixture
def azure(azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> AzureServer:
    """That of Azure, in the environment of this test alone."""
    for name, value in azure_server.environ.items():
        monkeypatch.setenv(name, value)
    return azure_server


@pytest.fixture(scope="session")
def snowflake_server() -> Iterator[SnowflakeServer]:
    """A server that speaks Snowflake's protocol, of this test process; tests keep apart by their databases."""
    with running_snowflake() as server:
        yield server


@pytest.fixture
def snowflake_url(snowflake_server: SnowflakeServer) -> str:
    """The URL of an empty database there, of this test alone."""
    return snowflake_server.url()
