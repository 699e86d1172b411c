"""Redis servers that die, hang, refuse or are something else: a clear error in time, and then the next call works."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Ask
from tests.online.rows import T0, frame, view
from tests.servers.redis import answered, free_port, redis_server, valkey_program
from tests.servers.tls import Certificates, tls_proxy


@pytest.fixture(params=["redis", "valkey"])
def server(request):
    with redis_server(program=valkey_program() if request.param == "valkey" else None) as made:
        yield made


def operations(store, of):
    """Every kind of call that a store takes."""
    rows = frame(of, [["a"], ["b"]], [[1], [2]])
    return {
        "prepare": lambda: store.prepare(of),
        "prepared": lambda: store.prepared(of.project, of.env),
        "write": lambda: store.write(of, rows),
        "read": lambda: store.read(of, [["a"]]),
        "fetch": lambda: store.fetch([Ask(project=of.project, env=of.env, fields=("spend@1",), keys=[b"s1:a"])]),
        "fetch_shared": lambda: store.fetch_shared(of.project, of.env, ["push/spend@1"]),
        "count": lambda: store.count(of),
        "read_push_record": lambda: store.read_push_record(of),
        "keep_only": lambda: store.keep_only(of, rows.head(1), T0),
        "remove": lambda: store.remove(of),
    }


def errors_of(store, of) -> dict[str, StoreError]:
    found = {}
    for name, operation in operations(store, of).items():
        with pytest.raises(StoreError) as caught:
            operation()
        found[name] = caught.value
    return found


@contextmanager
def answering(*lines: bytes):
    """Give the port of a server that answers whatever it is told with some bytes."""

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(4_096)
                client.sendall(b"".join(lines))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_every_call_after_a_restart_works_and_the_same_store_goes_on(server):
    of = view({"n": "int64"})
    with closing(open_online(server.url)) as store:
        for operation in operations(store, of).values():
            operation()
            server.kill()
            server.start()
            operation()


@pytest.mark.sample(1)
def test_while_a_server_is_away_every_call_is_an_error_and_then_works(server):
    of = view({"n": "int64"})
    with closing(open_online(server.url)) as store:
        store.write(of, frame(of, [["a"]], [[1]]))
        server.kill()
        found = errors_of(store, of)
        assert {error.code for error in found.values()} == {"FC602"}
        assert all("can't be reached" in str(error) and error.hint for error in found.values())
        server.start()
        assert store.write(of, frame(of, [["a"]], [[2]])) == 1
        assert store.read(of, [["a"]])[0].values == {"n": 2}


@pytest.mark.sample(1)
def test_a_hanging_server_is_an_error_of_every_call_in_time_and_then_works(server, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 0.2)
    of = view({"n": "int64"})
    with closing(open_online(server.url)) as store:
        answered(lambda: store.write(of, frame(of, [["a"]], [[1]])))
        with server.paused():
            assert {error.code for error in errors_of(store, of).values()} == {"FC602"}
        assert answered(lambda: store.read(of, [["a"]]))[0] is not None
        assert answered(operations(store, of)["count"]) >= 0


@pytest.mark.sample(1)
def test_a_store_opened_while_its_server_hangs_does_not_wait_for_it(server, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 0.2)
    of = view({"n": "int64"})
    with server.paused(), closing(open_online(server.url)) as store:
        assert all("can't be reached" in str(error) for error in errors_of(store, of).values())


@pytest.mark.parametrize("program", [None, valkey_program()], ids=["redis", "valkey"])
def test_a_server_that_wants_a_password_says_so_without_showing_the_given(program):
    of = view({"n": "int64"})
    with redis_server("--requirepass", "right", program=program) as server:
        for url in (server.url, server.url.replace("://", "://:wr0ng@")):
            with closing(open_online(url)) as store, pytest.raises(StoreError, match="user or the password") as caught:
                store.write(of, frame(of, [["a"]], [[1]]))
            assert caught.value.code == "FC602"
            assert "wr0ng" not in str(caught.value)
        with closing(open_online(server.url.replace("://", "://:right@"))) as store:
            assert store.write(of, frame(of, [["a"]], [[1]])) == 1


def test_a_user_without_the_right_to_write_is_told_so():
    of = view({"n": "int64"})
    with redis_server() as server:
        with server.client() as client:
            client.acl_setuser("ana", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@read", "+@connection"])
        with closing(open_online(server.url.replace("://", "://ana:pw@"))) as store:
            assert store.read(of, [["a"]]) == [None]
            with pytest.raises(StoreError, match="refuses: ") as caught:
                store.write(of, frame(of, [["a"]], [[1]]))
    assert "must be allowed" in caught.value.hint


RIGHTS = ["+@hash", "+@scripting", "+@connection", "+scan"]  # as docs/how-to/production.md says


def test_a_user_with_the_rights_of_the_page_can_do_everything(redis_cluster):
    of = view({"n": "int64"})
    with redis_server() as single:
        for servers, rights in (([single], RIGHTS), (redis_cluster.nodes, [*RIGHTS, "+cluster|slots"])):
            for server in servers:
                with server.client() as client:
                    client.acl_setuser("ana", reset=True, enabled=True, passwords=["+pw"], keys=["*"], commands=rights)
            url = single.url if servers == [single] else redis_cluster.url
            with closing(open_online(url.replace("://", "://ana:pw@"))) as store:
                for operation in operations(store, of).values():
                    operation()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "does not speak the protocol of Redis"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak the protocol of Redis"),
        (b"", "can't be reached"),
    ],
)
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_a_server_that_is_no_redis_is_said_to_be_none(answer, said, scheme):
    of = view({"n": "int64"})
    with answering(answer) as port, closing(open_online(f"{scheme}://127.0.0.1:{port}/")) as store:
        assert all(said in str(error) for error in errors_of(store, of).values())


@pytest.mark.long
@pytest.mark.parametrize("server", ["redis_url", "redis_cluster_url"])
def test_a_removal_that_broke_off_leaves_a_right_count_and_is_done_next(request, server, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.store._SCAN_COUNT", 10)
    of, other = view({"n": "int64"}, {"id": "int64"}), view({"n": "int64"})
    rows = frame(of, [[n] for n in range(200)], [[n] for n in range(200)])
    with closing(open_online(request.getfixturevalue(server))) as store:
        store.write(of, rows)
        store.write(other, frame(other, [["a"]], [[1]]))
        assert store.count(of) == 200
        pages = store.bytes._pages  # noqa: SLF001  # breaks off between two pages

        def two_pages(of):
            found = (keys for keys in pages(of) if keys)
            yield from [next(found), next(found)]
            raise StoreError("the line was cut")

        with monkeypatch.context() as patch:
            patch.setattr(store.bytes, "_pages", two_pages)
            with pytest.raises(StoreError, match="cut"):
                store.remove(of)
        left = sum(row is not None for row in store.read(of, [[n] for n in range(200)]))
        assert 0 < left < 200
        assert store.count(of) == left
        assert (store.write(of, rows), store.count(of)) == (200 - left, 200)
        store.remove(of)
        assert (store.count(of), store.count(other)) == (0, 1)


def test_a_cluster_is_told_from_a_single_server_and_the_other_way_round(redis_cluster, redis_url):
    of, port = view({"n": "int64"}), redis_cluster.nodes[0].port
    with closing(open_online(f"redis://127.0.0.1:{port}/")) as store:
        with pytest.raises(StoreError, match="is a node of a Redis Cluster") as caught:
            store.read(of, [[str(n)] for n in range(20)])
        assert "redis+cluster://" in caught.value.hint
        with pytest.raises(StoreError, match="is a node of a Redis Cluster"):
            store.write(of, frame(of, [[str(n)] for n in range(20)], [[1]] * 20))
    with closing(open_online(redis_url.replace("redis://", "redis+cluster://"))) as store:
        with pytest.raises(StoreError, match="is no Redis Cluster") as caught:
            store.read(of, [["a"]])
        assert "redis://" in caught.value.hint


def test_a_certificate_of_an_unknown_authority_is_refused(redis_tls_url, tmp_path):
    other, of = Certificates(tmp_path), view({"n": "int64"})
    url = redis_tls_url.partition("?")[0] + f"?ssl_ca_certs={other.authority_file}"
    with closing(open_online(url)) as store, pytest.raises(StoreError, match=r"can't be reached.*certificate"):
        store.read(of, [["a"]])


def test_a_certificate_of_another_host_is_refused(certificates, redis_tls_url):
    url = redis_tls_url.replace("127.0.0.1", "127.0.0.2")
    of, port = view({"n": "int64"}), int(redis_tls_url.partition("127.0.0.1:")[2].partition("/")[0])
    with (
        tls_proxy(certificates, port, host="127.0.0.2", own_port=port),
        closing(open_online(url)) as store,
        pytest.raises(StoreError, match="can't be reached"),
    ):
        store.read(of, [["a"]])


def test_plain_words_to_a_server_that_speaks_tls_are_an_error_in_time(redis_tls_url, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 0.2)
    plain = redis_tls_url.replace("rediss://", "redis://").partition("?")[0]
    with closing(open_online(plain)) as store, pytest.raises(StoreError) as caught:
        store.read(view({"n": "int64"}), [["a"]])
    assert caught.value.code == "FC602"


def test_tls_to_a_server_that_speaks_none_is_an_error_in_time(redis_url, monkeypatch):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 0.2)
    with (
        closing(open_online(redis_url.replace("redis://", "rediss://"))) as store,
        pytest.raises(StoreError, match="can't be reached"),
    ):
        store.read(view({"n": "int64"}), [["a"]])


def test_nothing_that_listens_is_an_error_that_names_the_address():
    port = free_port()
    for url in (f"redis://127.0.0.1:{port}/0", f"rediss://127.0.0.1:{port}/0", f"redis+cluster://127.0.0.1:{port}/"):
        with closing(open_online(url)) as store, pytest.raises(StoreError, match=f"{port}/0? can't be reached"):
            store.read(view({"n": "int64"}), [["a"]])
