"""A server that is told to stop: it says so, answers what is asked meanwhile, and ends; told once more it ends now."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from tests import web
from tests.serving.process import running
from tests.serving.trial import wait_until

ASK = {"features": ["spend:count_7d"], "entities": {"user": [1]}}
LIMIT_S = 60


@contextmanager
def connected(url: str) -> Iterator[http.client.HTTPConnection]:
    """A connection that is kept as long as the server keeps it."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=LIMIT_S)) as made:  # type: ignore[arg-type]
        made.connect()
        yield made


def asked(made: http.client.HTTPConnection) -> tuple[int, str | None]:
    """Ask on a connection, and return the status and what the answer says of the connection."""
    made.request("POST", "/v1/features", json.dumps(ASK))
    answer = made.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection")


def is_ending(url: str) -> bool:
    """Return whether a server says that it is to be asked no more."""
    answer = web.get(f"{url}/ready", timeout=LIMIT_S)
    return answer.status_code == 503 and answer.json()["problems"] == ["the server has been told to stop"]


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.sample(1)
def test_a_server_that_is_told_to_stop_answers_and_lets_go_its_clients(clicks, workers):
    limits = ["--timeout", "20", "--drain", "10s" if workers == "1" else "3s"]
    with (
        running(clicks, *limits, "--workers", workers, is_cold=True) as server,
        connected(server.url) as first,
        connected(server.url) as second,
    ):
        assert [asked(made) for made in (first, second)] == [(200, None)] * 2
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_ending(server.url))
        assert [asked(made) for made in (first, second)] == [(200, "close")] * 2
        answer = web.post(f"{server.url}/v1/features", json=ASK, timeout=LIMIT_S)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert server.process.wait(LIMIT_S) == 0
        text = server.log.read_text()
        assert ("Traceback" in text, "interrupted" in text) == (False, False)
        assert (text.splitlines()[-1].split()[2], " draining " in text) == ("stopped", True)


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_told_twice_to_stop_ends_at_once(clicks, workers):
    with (
        running(clicks, "--timeout", "20", "--drain", "600s", "--workers", workers, is_cold=True) as server,
        connected(server.url) as kept,
    ):
        asked(kept)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_ending(server.url))
        wait_until(lambda: is_ended_by(server.process, signal.SIGTERM))
        assert server.process.returncode == -signal.SIGTERM


def is_ended_by(process, number) -> bool:
    """Tell a process once more, and return whether it has ended: several take the first one up some time later."""
    if process.poll() is None:
        process.send_signal(number)
    return process.poll() is not None


@pytest.mark.long
def test_an_interrupted_server_does_not_wait_for_others_to_hear_of_it(clicks):
    with running(clicks, "--timeout", "20", "--drain", "600s", is_cold=True) as server, connected(server.url) as kept:
        asked(kept)
        assert server.interrupt() == 130
        assert kept.sock.recv(1) == b""


def test_a_length_of_time_that_is_none_is_refused(clicks, capsys):
    from featurectl.cli.main import main

    assert main(["serve", "-C", str(clicks), "--drain", "soon"]) == 64
    assert "--drain 'soon' is no length of time" in capsys.readouterr().err
