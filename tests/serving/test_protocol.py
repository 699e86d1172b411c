"""What goes over the wire: an answer is one write, and requests may come in any pieces."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from featurectl.serving.protocol import _OneWrite
from tests.serving.process import running


class Transport:
    def __init__(self):
        self.written = []

    def write(self, data):
        self.written.append(data)

    def close(self):
        self.written.append("closed")

    def is_closing(self):
        return "closed" in self.written


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


def written(*steps):
    transport = Transport()
    one = _OneWrite(transport)
    for step in steps:
        one.write(step) if isinstance(step, bytes) else getattr(one, step)()
    return transport.written


def test_head_and_body_are_one_write():
    assert written(HEAD, b"{}", HEAD, b"[]") == [HEAD + b"{}", HEAD + b"[]"]


def test_a_head_without_a_body_is_sent_when_the_answer_ends_or_the_connection_is_closed():
    assert written(HEAD, "flush", "flush", HEAD, "close") == [HEAD, HEAD, "closed"]


def test_what_is_no_head_is_sent_at_once():
    more = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert written(more, HEAD, b"HTTP/1.1 in a body") == [more, HEAD + b"HTTP/1.1 in a body"]
    assert written(HEAD, b"ab", b"cd") == [HEAD + b"ab", b"cd"]


@pytest.fixture(scope="module")
def served(clicks):
    with running(clicks) as process:
        yield urlsplit(process.url)


def exchange(served, *pieces):
    """Send pieces one after the other, each after the answer to the one before if it ends with "?"; return all."""
    with socket.create_connection((served.hostname, served.port), timeout=30) as made:
        found = b""
        for piece, expected in pieces:
            made.sendall(piece)
            while expected and expected not in found:
                data = made.recv(65536)
                assert data, found
                found += data
        return found


def test_head_is_answered_on_a_connection_that_stays_open(served):
    head = b"HEAD /health HTTP/1.1\r\nhost: x\r\n\r\n"
    found = exchange(served, (head, b"\r\n\r\n"), (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b'"uptime"'))
    assert found.count(b"HTTP/1.1 200 OK") == 2


def test_a_body_in_pieces_and_one_that_waits_to_be_asked_for_are_read(served):
    body = json.dumps({"features": ["spend:count_7d"], "entities": {"user": [1]}}).encode()
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(body)
    whole = exchange(served, (head + b"\r\n" + body, b"server_name"))
    pieces = exchange(served, (head + b"\r\n", b""), (body[:9], b""), (body[9:], b"server_name"))
    asked = exchange(served, (head + b"expect: 100-continue\r\n\r\n", b"100 Continue\r\n\r\n"), (body, b"server_name"))
    chunked = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    parts = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    chunks = exchange(served, (chunked, b""), (parts, b"server_name"))
    shown = [found.rpartition(b"\r\n\r\n")[2].partition(b'"timestamp"')[0] for found in (whole, pieces, asked, chunks)]
    assert len(set(shown)) == 1
    assert b'"count_7d"' in shown[0]


def test_requests_that_are_sent_together_are_answered_in_turn(served):
    one = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"
    found = exchange(served, (one + one + last, b"404"))
    assert found.count(b"HTTP/1.1 200 OK") == 2
    assert found.index(b"HTTP/1.1 404") > found.rindex(b"HTTP/1.1 200 OK")
