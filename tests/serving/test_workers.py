"""Several processes on one port: how they end, and what they count together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from featurectl.core.errors import StoreError
from featurectl.serving.process import start
from featurectl.serving.settings import SETTINGS_VARIABLE, ServeSettings, dump_settings
from tests import web
from tests.serving.process import running
from tests.serving.trial import wait_until

FEATURES = {"features": ["spend:*"], "entities": {"user": [1, 2, 3]}}


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.sample(1)
def test_an_interrupted_server_ends_with_130_with_any_processes(clicks, workers):
    with running(clicks, "--workers", workers, is_cold=True) as server:
        assert server.interrupt() == 130
        text = server.log.read_text()
        assert ("Traceback" in text, "interrupted" in text) == (False, True)


@pytest.fixture
def heard_hangups() -> Iterator[None]:
    """Programs of this process hear that the terminal goes, even where `nohup` started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard_hangups")
@pytest.mark.long
def test_a_terminal_that_goes_ends_a_server_as_sigterm_does(clicks):
    with running(clicks, "--drain", "0s", is_cold=True) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(60) == 0
        events = [line.split()[2] for line in server.log.read_text().splitlines()[-2:]]
        assert events == ["draining", "stopped"]


def test_a_process_that_cannot_be_started_is_an_error_of_the_command(monkeypatch):
    """Uvicorn ends them all then, and says nothing."""
    config = uvicorn.Config("none:app", port=0, workers=2)
    ended = [SimpleNamespace(pid=1, exitcode=0), SimpleNamespace(pid=2, exitcode=STARTUP_FAILURE)]
    monkeypatch.setattr(start.Workers, "run", lambda processes: processes.processes.extend(ended))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(StoreError, match="could not be started"):
        start._run_several(config, ServeSettings(root="."))  # noqa: SLF001  # without processes of its own


def is_count(name: str) -> bool:
    """Return whether a metric only grows; how many requests are under way may be less by now."""
    return name.partition("{")[0].endswith(("_total", "_count", "_sum", "_bucket"))


def metrics_text(url: str) -> str:
    """Return what any of the processes tells of all."""
    return web.get(f"{url}/metrics", timeout=20).text


def counted(url: str) -> dict[str, float]:
    """Return all counters by name and labels, as any of the processes tells them."""
    lines = [line.rpartition(" ") for line in metrics_text(url).splitlines()]
    return {name: float(value) for name, _, value in lines if not name.startswith("#") and "_total" in name}


def ask_each(url: str, times: int) -> set[int]:
    """Ask so many times, on a connection each, and return the processes that answered, not those that were busy."""
    found: set[int] = set()
    for _ in range(times):
        with web.client(timeout=20) as client:
            answer = client.post(f"{url}/v1/features", json=FEATURES)
            if answer.status_code == 503:  # the store was too slow for it: the machine is busy
                continue
            assert answer.status_code == 200, answer.text
            found.add(int(answer.json()["server_name"].rpartition(":")[2]))
    return found


def ask_until(url: str, is_enough) -> tuple[int, set[int]]:
    """Ask until enough processes have answered; return how many requests were answered, and the processes."""
    times, end = 0, time.monotonic() + 60
    found: set[int] = set()
    while not is_enough(found):
        assert time.monotonic() < end, found
        try:
            one = ask_each(url, 1)
        except httpx2.HTTPError:  # one that was ended takes its connections along
            one = set()
        found |= one
        times += len(one)
        time.sleep(0 if one else 0.05)
    return times, found


def wait_until_refused(url: str) -> None:
    """Wait until nobody listens any more."""
    address, end = urlsplit(url), time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address.hostname, address.port), timeout=5).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGALRM])
@pytest.mark.long
def test_processes_end_with_the_first_of_them_whatever_has_ended_it(clicks, number):
    with running(clicks, "--workers", "2", "--timeout", "20", "--store-timeout", "15", is_cold=True) as server:
        _, processes = ask_until(server.url, lambda found: len(found) == 2)
        server.process.send_signal(number)
        assert server.process.wait(60) == -number
        wait_until_refused(server.url)
        text = server.log.read_text()
        assert ("Traceback" in text, text.count("told to stop")) == (False, len(processes))


@pytest.mark.long
def test_counts_are_those_of_all_processes_and_stay_when_one_of_them_dies(clicks):
    requests = 'featurectl_http_requests_total{method="POST",route="/v1/features",status="200"}'
    values = 'featurectl_feature_values_total{status="PRESENT"}'
    with running(clicks, "--workers", "2", "--timeout", "20", "--store-timeout", "15", is_cold=True) as server:
        times, processes = ask_until(server.url, lambda found: len(found) == 2)
        wait_until(lambda: counted(server.url)[requests] == times)  # a request counts once it is answered
        before = counted(server.url)
        assert (before[requests], before[values]) == (times, times * 18)
        killed = max(processes)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: f"process {killed} was killed by SIGKILL" in server.log.read_text())
        more, _ = ask_until(server.url, lambda found: len(found - processes) == 1)
        wait_until(lambda: counted(server.url)[requests] == times + more)
        after = counted(server.url)
        assert {name for name, value in before.items() if is_count(name) and after[name] < value} == set()
        assert all(count == after[requests] for count in [counted(server.url)[requests] for _ in range(5)])
        # This one alone: what the dead one had is forgotten. One that was answered may end a moment after its answer.
        wait_until(lambda: "featurectl_http_requests_in_flight 1.0" in metrics_text(server.url))
        text = metrics_text(server.url)
        assert 'featurectl_model_loaded{alias="champion",model="click",version="1"} 1.0' in text
        assert server.stop() == 0


WORKER = """
import logging, os, sys
handler = logging.StreamHandler()  # as uvicorn sets its loggers up before it makes the application
logging.getLogger("uvicorn.error").addHandler(handler)
from featurectl.serving.process.start import create_app
create_app()
logging.getLogger("uvicorn.error").error("no answer of redis://:pa55-of-a-store@127.0.0.1/0")
print("ConnectionError: redis://:pa55-of-a-store@127.0.0.1/0", file=sys.stderr)
raise RuntimeError(os.environ["STORE_URL"])
"""


@pytest.mark.long
def test_a_process_of_several_says_no_secret_of_an_address(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(
        'project: p\nenvironments:\n  dev: {registry: "sqlite:///r.db", offline: off, online: "${STORE_URL}"}\n'
    )
    (tmp_path / "all.yaml").write_text("entities:\n  - {name: user, keys: {user: string}}\n")
    settings = ServeSettings(root=str(tmp_path))
    variables = {SETTINGS_VARIABLE: dump_settings(settings), "STORE_URL": "redis://:pa55-of-a-store@127.0.0.1:1/0"}
    ran = subprocess.run(
        [sys.executable, "-c", WORKER],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.count("redis://") >= 2, ran.stderr
    assert "pa55-of-a-store" not in ran.stderr
