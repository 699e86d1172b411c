"""An endpoint with a login, which answers with all that it was sent: nothing says the login, or a token."""

from __future__ import annotations

import polars as pl
import pytest

from featurectl.core.errors import FeaturectlError
from featurectl.core.object_store import polars_options
from featurectl.offline.bucket import BucketFiles
from featurectl.offline.delta import DeltaStore
from featurectl.sources.failures import reading
from tests.servers.echo import echoing_http

LOCATION = "s3://bucket/place"
ENVIRON = {
    "AWS_ALLOW_HTTP": "true",
    "AWS_ACCESS_KEY_ID": "key-id",
    "AWS_SECRET_ACCESS_KEY": "CANARY-key",
    "AWS_SESSION_TOKEN": "CANARY-token",
    "AWS_REGION": "us-east-1",
}


def read_source():
    path = f"{LOCATION}/x.parquet"
    with reading("source orders"):
        pl.scan_parquet(path, storage_options=polars_options(path)).collect()


OPERATIONS = {
    "read": lambda: BucketFiles(LOCATION).read("models/a.onnx"),
    "write": lambda: BucketFiles(LOCATION).write("models/a.onnx", b"model"),
    "list": lambda: BucketFiles(LOCATION).listed("models"),
    "table": lambda: DeltaStore(LOCATION, "shop", "${OFFLINE}").table("spend", 1, {"user": "int64"}).coverage(),  # type: ignore[arg-type]
    "source": read_source,
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("password", ["CANARY-pw", "CANARY'pw-long"])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_endpoint_that_repeats_its_login_gives_it_to_nobody(operation, password, monkeypatch):
    with echoing_http() as port:
        for name, value in ENVIRON.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user-CANARY:{password}@127.0.0.1:{port}")
        with pytest.raises(FeaturectlError, match="can't be") as caught:
            operation()
    assert "CANARY" not in caught.value.message + caught.value.hint


def test_an_endpoint_that_says_nothing_but_no_is_named_without_its_login(monkeypatch):
    with echoing_http(400, told=False) as port:
        for name, value in ENVIRON.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user-CANARY:CANARY-pw@127.0.0.1:{port}")
        with pytest.raises(FeaturectlError) as caught:
            OPERATIONS["read"]()
    assert caught.value.message == f"models/a.onnx can't be read: http://127.0.0.1:{port} answers 400 Bad Request"
