"""An S3 for tests that checks signatures, started here and ended afterwards."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.servers.redis import free_port

PROGRAM = Path(__file__).with_name("s3_program.py")
START_LIMIT_S = 120
REGION = "us-east-1"
BUCKET = "warehouse"
MAY_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
UNSIGNED_REQUESTS = 4  # those below that make a user and a bucket; who comes later must sign


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A server with one bucket, and a user who may do all with it."""

    endpoint: str
    key: str
    secret: str
    pid: int

    absent = "s3://no-such-bucket/x"  # a place in a bucket that is not there
    not_there = "NoSuchBucket"  # what is said of it
    wrong_key = ("AWS_SECRET_ACCESS_KEY", "wrong")
    refused = "SignatureDoesNotMatch"  # what is said of that
    wrong_user = ("AWS_ACCESS_KEY_ID", "wrong")
    unknown = "InvalidAccessKeyId"
    endpoint_name = "AWS_ENDPOINT_URL"

    @property
    def environ(self) -> Mapping[str, str]:
        """What the environment of a command must say."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": REGION,
        }

    def location(self) -> str:
        """Return the URL of an empty place in its bucket."""
        return f"s3://{BUCKET}/{secrets.token_hex(4)}"


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """Give a server. One that can't be started is an error, never a reason to skip a test."""
    with tempfile.TemporaryDirectory(prefix="featurectl-s3-") as folder:
        log = Path(folder) / "log"
        port = free_port()
        command = [sys.executable, str(PROGRAM), str(port)]
        environ = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(UNSIGNED_REQUESTS)}
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(endpoint, process, log)
            yield _with_user(endpoint, process.pid)
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)


def _with_user(endpoint: str, pid: int) -> S3Server:
    _manage(endpoint, Action="CreateUser", UserName="featurectl")
    made = _manage(endpoint, Action="CreateAccessKey", UserName="featurectl")
    _manage(endpoint, Action="PutUserPolicy", UserName="featurectl", PolicyName="all", PolicyDocument=MAY_ALL)
    _ask(endpoint, "s3", f"/{BUCKET}", method="PUT")
    key, secret = (re.search(f"<{name}>(.*?)</{name}>", made) for name in ("AccessKeyId", "SecretAccessKey"))
    assert key, made
    assert secret, made
    return S3Server(endpoint=endpoint, key=key[1], secret=secret[1], pid=pid)


def _manage(endpoint: str, **what: str) -> str:
    return _ask(endpoint, "iam", "/", data=urlencode({"Version": "2010-05-08", **what}).encode())


def _ask(endpoint: str, service: str, path: str, *, method: str = "POST", data: bytes | None = None) -> str:
    scope = f"any/20260101/{REGION}/{service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(endpoint + path, data=data, method=method, headers={"Authorization": signed})  # noqa: S310  # a server of this process
    with urllib.request.urlopen(request, timeout=START_LIMIT_S) as answer:  # noqa: S310  # a server of this process
        return answer.read().decode()


def _wait_for(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=START_LIMIT_S).close()  # noqa: S310  # a server of this process
        except urllib.error.URLError:
            assert process.poll() is None, f"moto ended: {log.read_text()}"
            assert time.monotonic() < limit, f"moto does not answer: {log.read_text()}"
            time.sleep(0.02)
        else:
            return
