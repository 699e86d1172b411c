"""What goes over the wire: requests may come in any pieces, and what is not HTTP or too much is refused."""

import json
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.serving.process import running


@pytest.fixture(scope="module")
def process(clicks):
    with running(clicks) as process:
        yield process


@pytest.fixture
def served(process):
    return urlsplit(process.url)


@pytest.fixture
def log(process):
    return process.log


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
    found = exchange(served, (one + one + last, b"HTTP/1.1 404"))
    assert found.count(b"HTTP/1.1 200 OK") == 2
    assert found.index(b"HTTP/1.1 404") > found.rindex(b"HTTP/1.1 200 OK")


def refused(served, request):
    """Send a request, and return the head of the answer and the problem that is its body; the connection ends."""
    with socket.create_connection((served.hostname, served.port), timeout=30) as made:
        made.sendall(request)
        found = b""
        while data := made.recv(65536):
            found += data
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head
    assert b"content-length: %d" % len(body) in head
    return head, json.loads(body)


@pytest.mark.parametrize(
    "request_",
    [
        b"FOO / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_with_a_problem_and_no_line_of_the_log(served, log, request_):
    head, problem = refused(served, request_)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert problem["detail"] == "Invalid HTTP request received."
    assert "WARNING" not in log.read_text()


def test_a_head_that_is_too_large_is_told_so(served, log):
    head, problem = refused(served, b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 70_000 + b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert problem["detail"] == "the head of the request is larger than 65,536 bytes"
    assert "WARNING" not in log.read_text()


def test_a_client_that_offers_another_protocol_is_answered_in_this_one(served, log):
    body = json.dumps({"features": ["spend:count_7d"], "entities": {"user": [1]}}).encode()
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\n%b" % offer
    whole = head + b"content-length: %d\r\n\r\n" % len(body)
    chunked = head + b"transfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    get, last = b"GET /health HTTP/1.1\r\nhost: x\r\n%b\r\n", b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"
    for pieces in ([whole + body], [whole, body], [whole + body[:9], body[9:]], [chunked, chunks], [chunked + chunks]):
        asked = [(piece, b"") for piece in pieces[:-1]] + [(pieces[-1], b"server_name")]
        found = exchange(served, *asked, (get % offer, b'"uptime"'), (last, b"HTTP/1.1 404"))
        assert (found.count(b"HTTP/1.1 200 OK"), found.count(b'"count_7d"')) == (2, 1), found
        for second in (get % b"", get % offer, whole + body):  # all at once
            found = exchange(served, *asked[:-1], (pieces[-1] + second + last, b"HTTP/1.1 404"))
            features = 2 if second.endswith(body) else 1
            assert (found.count(b"HTTP/1.1 200 OK"), found.count(b'"count_7d"')) == (2, features), found
    assert "WARNING" not in log.read_text()


def test_what_is_left_of_a_request_that_was_answered_may_still_come(served):
    head = b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n"
    found = exchange(
        served, (head, b"HTTP/1.1 404"), (b"x" * 300_000, b""), (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"uptime")
    )
    assert found.count(b"HTTP/1.1 ") == 2


def test_what_follows_a_body_has_a_limit_and_small_chunks_do_not_meet_it(served):
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"1\r\n \r\n" * 30_000 + b"2\r\n{}\r\n0\r\n"
    assert exchange(served, (head + chunks + b"a: b\r\n\r\n", b"`entities`"))
    with socket.create_connection((served.hostname, served.port), timeout=30) as made:
        with suppress(OSError):  # it may be closed before all is sent
            made.sendall(head + b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 400_000 + b"\r\n")
        assert made.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_an_error_does_not_quote_all_of_a_long_request(served):
    body = b'{"%b": 1}' % (b"A" * 100_000)
    head = b"POST /v1/features HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert len(exchange(served, (head + body, b"AAA ... AAA"))) < 10_000
