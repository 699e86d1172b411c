"""A BigQuery that fails while it gives rows: silent, cut, closed to whoever asks, or ended by somebody."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from featurectl.core.errors import StoreError
from featurectl.sources.sql import bigquery, kept_rows
from tests.servers.bigquery import run_in_bigquery, running_bigquery
from tests.servers.cutting import cutting_proxy
from tests.servers.pausing import hanging
from tests.sources.sql_contract.kinds import BIGQUERY, Database
from tests.sources.sql_contract.test_failures import at_frame, wait_for

pytestmark = [
    pytest.mark.guests,
    pytest.mark.filterwarnings(
        "ignore:Retrieving Arrow record batches:PendingDeprecationWarning"
    ),  # of a library to itself
]
ROW_COUNT = 5_000
QUERY = f"select i, rpad(concat('row ', cast(i as string)), 100) as name from unnest(generate_array(1, {ROW_COUNT})) i"
ORDERED = f"{QUERY} order by i"


@pytest.fixture
def database(tmp_path, monkeypatch, bigquery_url):
    monkeypatch.setattr("featurectl.sources.sql.bigquery.PAGE_ROWS", 200)
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05, 0.05))
    return Database(BIGQUERY, tmp_path, bigquery_url, monkeypatch)


def check_rows(frame) -> None:
    assert frame["i"].to_list() == list(range(1, ROW_COUNT + 1))
    assert frame["name"][-1] == f"row {ROW_COUNT}".ljust(100)


def test_pages_that_are_cut_are_asked_for_again(database, bigquery_server):
    with cutting_proxy(bigquery_server.rest) as proxy:
        database.url = database.url.replace(f":{bigquery_server.rest}", f":{proxy.port}")
        for number in range(30):
            with at_frame(1 + number % 20, proxy.cut, database.monkeypatch):
                check_rows(database.read(ORDERED))
        assert proxy.cuts >= 30


@pytest.fixture
def kept_results(monkeypatch):
    """Let the rows of a query be those of table r: the emulator gives results of queries by pages alone."""
    begun = bigquery.BigQueryRun.begun

    def with_table(run, *, is_dry):
        job = begun(run, is_dry=is_dry)
        table = f"{run.client.project}.{run.site.address.dataset}.r"
        if not is_dry:
            job.result = lambda page_size: run.client.list_rows(run.client.get_table(table), page_size=page_size)
        return job

    monkeypatch.setattr(bigquery.BigQueryRun, "begun", with_table)


@pytest.mark.usefixtures("kept_results")
@pytest.mark.parametrize("streams", [False, True], ids=["pages", "streams"])
@pytest.mark.parametrize("frame", [0, 1])
def test_a_server_that_hangs_is_an_error(database, frame, streams):
    with running_bigquery() as server, ExitStack() as stack:  # one of its own: others are asked meanwhile
        proxy = stack.enter_context(cutting_proxy(server.storage))
        proxy.held, proxy.hold_s = 8_000_000, 60.0  # the first of two batches passes, and some of the second
        options = [f"storage_endpoint=http://127.0.0.1:{proxy.port}"] * streams
        database.url = server.url(server.made_dataset(), *options)
        answer_s = (0.5, 2.5)[frame]  # it has to answer until the first rows are there, beside whatever else there is
        database.monkeypatch.setattr("featurectl.sources.sql.bigquery_client.ANSWER_S", answer_s)
        database.monkeypatch.setattr("featurectl.sources.sql.bigquery._STREAMS", 1)  # batches follow each other
        run_in_bigquery(database.url, f"create table r as {QUERY.replace(str(ROW_COUNT), '100000')}")
        hung: list[int] = []

        def hang() -> None:
            stack.enter_context(hanging(server.pid))
            hung.append(server.pid)

        if frame == 0:
            hang()
        query = QUERY.replace(str(ROW_COUNT), "100000")
        stopped = at_frame(frame, hang, database.monkeypatch)
        with stopped, pytest.raises(StoreError, match=rf"source orders: .* no answer within {answer_s} s") as caught:
            database.read(query)
        assert caught.value.code == "FC605"
        assert len(hung) == 1


def test_a_server_that_is_not_there_is_an_error(database, bigquery_server):
    database.url = database.url.replace(f":{bigquery_server.rest}", ":9")
    database.monkeypatch.setattr("featurectl.sources.sql.bigquery_client.ANSWER_S", 0.5)
    with pytest.raises(StoreError, match="can't be read: no connection") as caught:
        database.read("select 1 as a")
    assert caught.value.code == "FC605"


def test_an_interrupt_ends_it_at_once(database):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    try:
        interrupted = at_frame(2, lambda: os.kill(os.getpid(), signal.SIGINT), database.monkeypatch)
        with interrupted, pytest.raises(KeyboardInterrupt):
            database.read(ORDERED)
    finally:
        signal.signal(signal.SIGINT, before)


def test_no_thread_is_left(database):
    before = threading.active_count()
    check_rows(database.read(ORDERED))
    wait_for(lambda: threading.active_count() <= before)


def test_a_driver_that_is_missing_is_said_with_its_extra(database):
    for module in ("pyarrow", "google.cloud.bigquery"):
        with database.monkeypatch.context() as patched:
            patched.setitem(sys.modules, module, None)
            with pytest.raises(StoreError, match="no driver for bigquery") as caught:
                database.read("select 1 as a")
        assert (caught.value.code, caught.value.hint) == ("FC605", "pip install 'featurectl[bigquery]'")


class _Refuses(BaseHTTPRequestHandler):
    """A server of tokens that gives none, and repeats what it was sent."""

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"])).decode()
        said = json.dumps({"error": "invalid_grant", "error_description": f"Invalid JWT Signature. {sent}"}).encode()
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_credentials_that_are_refused_are_never_shown(database, tmp_path, capfd):
    server = HTTPServer(("127.0.0.1", 0), _Refuses)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    document = {
        "type": "service_account", "client_email": "reader@shop.iam", "private_key": pem, "private_key_id": "k1",
        "token_uri": f"http://127.0.0.1:{server.server_port}/token", "project_id": "shop",
    }  # fmt: skip
    (tmp_path / "key.json").write_text(json.dumps(document))
    database.url = "bigquery://shop-1/sales?credentials=key.json"
    database.monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    try:
        with pytest.raises(StoreError) as caught:
            database.read("select 1 as a")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert caught.value.code == "FC605"
    assert "invalid_grant" in caught.value.message
    seen = f"{caught.value} {capfd.readouterr()}"
    assert "assertion" not in seen
    assert not [line for line in pem.splitlines()[1:-1] if line in seen]


@pytest.mark.parametrize("text", ["", "{", '{"type": "service_account"}', '{"type": "other", "key": "secret-1"}'])
def test_a_file_of_credentials_that_is_none_is_said(database, tmp_path, text):
    if text:
        (tmp_path / "key.json").write_text(text)
    database.url = "bigquery://shop-1/sales?credentials=key.json"
    database.monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    with pytest.raises(StoreError, match="its credentials can't be used: ") as caught:
        database.read("select 1 as a")
    assert caught.value.code == "FC605"
    assert "secret-1" not in str(caught.value)


def test_the_variable_of_googles_clients_names_an_emulator(database, bigquery_server, monkeypatch):
    dataset = database.url.removeprefix("bigquery://").partition("?")[0]
    database.run("create table t (a int)", "insert into t values (7)")
    for place in (f"127.0.0.1:{bigquery_server.rest}", f"http://127.0.0.1:{bigquery_server.rest}"):
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", place)
        database.url = f"bigquery://{dataset}"
        assert database.read("select a from t").rows() == [(7,)]


@pytest.mark.usefixtures("kept_results")
def test_rows_by_streams_are_those_of_pages(database, bigquery_server):
    database.monkeypatch.setattr(kept_rows, "HELD_BYTES", 100_000)
    database.run(f"create table r as {QUERY}")
    pages = database.read(ORDERED).sort("i")
    database.url += f"&storage_endpoint=http://127.0.0.1:{bigquery_server.storage}"
    assert database.read(ORDERED).sort("i").equals(pages)
    check_rows(pages)


def test_who_may_not_read_by_streams_reads_by_pages(database):
    import grpc

    asked = []

    class Refuses(grpc.GenericRpcHandler):
        """A server that allows nothing."""

        def service(self, details):
            asked.append(details.method)
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: context.abort(grpc.StatusCode.PERMISSION_DENIED, "no bigquery.readsessions.create")
            )

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Refuses(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        database.url += f"&storage_endpoint=http://127.0.0.1:{port}"
        check_rows(database.read(ORDERED))
    finally:
        server.stop(None).wait()
    assert asked == ["/google.cloud.bigquery.storage.v1.BigQueryRead/CreateReadSession"]
