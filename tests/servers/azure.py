"""An Azure object store for tests that checks signatures: azurite, started here and ended afterwards."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.servers.guest_environment import GUESTS, ROOT
from tests.servers.redis import free_port

START_LIMIT_S = 120
ACCOUNT = "featurectl"
CONTAINER = "warehouse"
MAIN = "node_modules/azurite/dist/src/blob/main.js"
VERSION = "2021-12-02"  # of the protocol, in which the container is made


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureServer:
    """A server with one container of one account, and the account's key."""

    endpoint: str
    key: str
    pid: int

    absent = "az://no-such-container/x"  # a place in a container that is not there
    not_there = "ContainerNotFound"  # what is said of it
    wrong_key = ("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"wrong").decode())
    refused = "AuthorizationFailure"  # what is said of that
    wrong_user = ("AZURE_STORAGE_ACCOUNT_NAME", "wrong")
    unknown = "InvalidOperation|AuthorizationFailure|403|400"
    endpoint_name = "AZURE_STORAGE_ENDPOINT"

    @property
    def environ(self) -> Mapping[str, str]:
        """What the environment of a command must say."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_ALLOW_HTTP": "true",
        }

    def location(self) -> str:
        """Return the URL of an empty place in its container."""
        return f"az://{CONTAINER}/{secrets.token_hex(4)}"

    def make(self, container: str) -> None:
        """Make a container."""
        sent = {"x-ms-date": f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT", "x-ms-version": VERSION}
        text = "PUT" + "\n" * 12 + "".join(f"{name}:{value}\n" for name, value in sent.items())
        text += f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
        made = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        sent |= {"Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(made).decode()}", "Content-Length": "0"}
        url = f"{self.endpoint}/{container}?restype=container"
        request = urllib.request.Request(url, method="PUT", headers=sent)  # noqa: S310  # a server of this process
        urllib.request.urlopen(request, timeout=START_LIMIT_S).close()  # noqa: S310  # a server of this process


@contextmanager
def running_azure() -> Iterator[AzureServer]:
    """Give a server. One that can't be started is an error, never a reason to skip a test."""
    program = _program()
    with tempfile.TemporaryDirectory(prefix="featurectl-azure-") as folder:
        log, port = Path(folder) / "log", free_port()
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        command = ["node", str(program), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder]
        command += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        with log.open("wb") as output:
            environ = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
            process = subprocess.Popen(command, env=environ, cwd=folder, stdout=output, stderr=output)
        try:
            server = AzureServer(endpoint=f"http://127.0.0.1:{port}/{ACCOUNT}", key=key, pid=process.pid)
            _wait_for(server, process, log)
            server.make(CONTAINER)
            yield server
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)


def _program() -> Path:
    folder, program = GUESTS / "azurite", ROOT / ".ci" / "azurite"
    done = subprocess.run([program, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{program}: {done.stdout}\n{done.stderr}"
    return folder / MAIN


def _wait_for(server: AzureServer, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(server.endpoint, timeout=START_LIMIT_S).close()  # noqa: S310  # a server of this process
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            assert process.poll() is None, f"azurite ended: {log.read_text()}"
            assert time.monotonic() < limit, f"azurite does not answer: {log.read_text()}"
            time.sleep(0.02)
