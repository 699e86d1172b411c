"""An emulator of BigQuery of this test process, and Google's client of it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.guest_environment import guest_environment

PROJECT = "shop-1"
START_S = 120  # it is 100 MB of Python, on a machine that others use
_PROGRAM = Path(__file__).parent / "bigquery_program.py"
_LISTENS = re.compile(r'"port": (\d+), "event": "(rest|grpc)\.listen"')


@dataclass(frozen=True, slots=True)
class BigQueryServer:
    """An emulator that runs: the ports of its two interfaces, and its process."""

    rest: int
    storage: int
    pid: int

    def url(self, dataset: str, *options: str, port: int = 0) -> str:
        """Return the URL of a dataset in it, with further parameters."""
        return f"bigquery://{PROJECT}/{dataset}?" + "&".join(
            [f"endpoint=http://127.0.0.1:{port or self.rest}", *options]
        )

    def made_dataset(self) -> str:
        """Make a dataset, and return its name."""
        name = f"d_{uuid.uuid4().hex[:8]}"
        self.client().create_dataset(name)
        return name

    def client(self) -> Any:
        """Return Google's client of it."""
        return _client(f"http://127.0.0.1:{self.rest}")


def _client(place: str) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    return Client(project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": place})


def run_in_bigquery(url: str, *statements: str) -> list[tuple]:
    """Run statements in the dataset of a URL, one after the other; return the rows of the last."""
    from google.cloud.bigquery import QueryJobConfig

    dataset, _, options = url.removeprefix(f"bigquery://{PROJECT}/").partition("?")
    rows: list[tuple] = []
    for statement in statements:
        config = QueryJobConfig(default_dataset=f"{PROJECT}.{dataset}")
        place = options.partition("endpoint=")[2].partition("&")[0]
        rows = [row.values() for row in _client(place).query(statement, job_config=config, job_retry=None).result()]
    return rows


def add_client() -> Path:
    """Let this process import Google's client, behind the tests' own packages; return the folder that it is in."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = guest_environment("bigquery").folder / "lib" / version / "site-packages"
    if str(packages) not in sys.path:
        sys.path.append(str(packages))
    return packages


@contextmanager
def running_bigquery() -> Iterator[BigQueryServer]:
    """Run an emulator until the end; where it does not start, its log is shown."""
    add_client()
    guest = guest_environment("bqemulator")
    with tempfile.TemporaryDirectory(prefix="bqemulator-") as home:
        log = Path(home) / "log.txt"
        words = [str(guest.program()), "-P", str(_PROGRAM), "start", "--rest-port", "0", "--grpc-port", "0"]
        # The extension for Avro would be looked for in the network.
        environ = {**guest.environ, "HOME": home, "TMPDIR": home, "BQEMU_ENABLE_FORMAT_EXTENSIONS": "0"}
        with log.open("wb") as out, subprocess.Popen(words, env=environ, cwd=home, stdout=out, stderr=out) as process:
            try:
                ports = _ports(process, log)
                yield BigQueryServer(rest=int(ports["rest"]), storage=int(ports["grpc"]), pid=process.pid)
            finally:
                process.kill()


def _ports(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    end = time.monotonic() + START_S
    while True:
        text = log.read_text(errors="replace")
        found = {name: port for port, name in _LISTENS.findall(text)}
        if len(found) == 2:
            return found
        assert process.poll() is None, f"the emulator of BigQuery ended:\n{text}"
        assert time.monotonic() < end, f"the emulator of BigQuery does not start:\n{text}"
        time.sleep(0.1)
