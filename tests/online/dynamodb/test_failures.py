"""A DynamoDB that is away, hangs, is busy or carries out a half: what is said, and what is there afterwards."""

# ruff: noqa: SLF001  # disturbs single requests

from __future__ import annotations

from contextlib import closing

import polars as pl
import pytest
from botocore.exceptions import ReadTimeoutError

from featurectl.core.errors import NoAnswerError, StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Origin, Writing
from featurectl.online.dynamodb.store import DynamoStore
from tests.online.dynamodb.faults import THROTTLED, TROUBLE, Faults, leave_out
from tests.online.rows import HOUR, T0, UTC_US, frame, view
from tests.servers.dynamodb import running_dynamodb
from tests.servers.pausing import hanging
from tests.servers.redis import free_port

ENTITIES = 40


@pytest.fixture
def quick(monkeypatch):
    """Requests are sent again at once."""
    monkeypatch.setattr("featurectl.online.dynamodb.connect._LONGEST_PAUSE_S", 0.001)
    monkeypatch.setattr("featurectl.online.dynamodb.connect._FIRST_PAUSE_S", 0.001)


def of_ids():
    return view({"n": "int64"}, {"id": "int64"})


def rows(of, number: int, count: int = ENTITIES) -> pl.DataFrame:
    """Return rows of entities as they are in a round, all of its number."""
    made = frame(of, [[n] for n in range(count)], [[number]] * count, event_time=T0 + number * HOUR)
    return made.with_columns(pl.lit(T0 + number * HOUR, UTC_US).alias("computed_at"))


def push(store, of, number: int, count: int = ENTITIES) -> int:
    origin = Origin(at=T0 + number * HOUR, table_version=number, rebuild_id="r")
    return store.write_all(of, [rows(of, number, count)], Writing(origin=origin))


def numbers(store, of) -> list[int | None]:
    return [row and row.values["n"] for row in store.read(of, [[n] for n in range(ENTITIES)])]


def test_a_server_that_does_not_answer_is_named_whatever_is_asked(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-word")
    of = of_ids()
    url = f"dynamodb://eu-central-1/features?endpoint=http://127.0.0.1:{free_port()}"
    with closing(open_online(url)) as store:
        for use in (
            lambda: store.prepare(of),
            lambda: store.write(of, rows(of, 1)),
            lambda: store.read(of, [[1]]),
            lambda: store.count(of),
            lambda: store.read_push_record(of),
            lambda: store.keep_only(of, rows(of, 1).select("id"), T0),
            lambda: store.remove(of),
            lambda: [*store.walk(of)],
            store.clock,
        ):
            with pytest.raises(NoAnswerError, match="dynamodb://eu-central-1/features can't be reached") as caught:
                use()
            assert caught.value.code == "FC602"
            assert "s3cret" not in str(caught.value)


def test_without_credentials_the_error_says_where_they_are_looked_for(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with closing(open_online("dynamodb://eu-central-1/features")) as store:
        with pytest.raises(StoreError, match="refuses the credentials: Unable to locate credentials") as caught:
            store.count(of_ids())
        assert "AWS_PROFILE" in caught.value.hint
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with (
        closing(open_online("dynamodb://eu-central-1/features")) as store,
        pytest.raises(StoreError, match=r"refuses the credentials: .*nobody"),
    ):
        store.count(of_ids())


@pytest.mark.parametrize("kind", ["UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"])
@pytest.mark.sample(1)
def test_credentials_that_are_refused_are_said_to_be(dynamodb_url, kind):
    with closing(open_online(dynamodb_url)) as store:
        Faults(store.bytes.link).refused = lambda *_: (f"com.amazon.coral.service#{kind}", 400)
        with pytest.raises(StoreError, match=f"refuses the credentials: made for a test: {kind}"):
            store.count(of_ids())


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_what_is_throttled_or_in_trouble_is_sent_again_and_counts_once(dynamodb_url):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        faults = Faults(store.bytes.link)
        kinds = [(THROTTLED, 400), (TROUBLE, 500), None]
        faults.refused = lambda _operation, number: kinds[number % 3]
        assert push(store, of, 1) == ENTITIES
        assert faults.sent["PutItem"] > 2 * ENTITIES
        faults.refused = lambda *_: None
        assert numbers(store, of) == [1] * ENTITIES
        assert store.count(of) == store.count_rows(of) == ENTITIES


@pytest.mark.long
def test_a_table_that_stays_busy_is_an_error_that_says_what_helps(dynamodb_url):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        push(store, of, 1)
        store.bytes.link._busy_s = store.bytes.link._answer_s = 0.2
        faults = Faults(store.bytes.link)
        faults.refused = lambda operation, _: (THROTTLED, 400) if operation in {"PutItem", "BatchGetItem"} else None
        for use in (lambda: push(store, of, 2), lambda: numbers(store, of)):
            with pytest.raises(StoreError, match=r"has been busy for 0\.2 s") as caught:
                use()
            assert (caught.value.code, "PAY_PER_REQUEST" in caught.value.hint) == ("FC602", True)
        faults.refused = lambda *_: None
        assert push(store, of, 2) == 0
        assert (numbers(store, of), store.count(of)) == ([2] * ENTITIES, ENTITIES)


@pytest.mark.long
def test_an_answer_that_was_lost_leaves_a_right_count(dynamodb_url):
    """A put that was carried out is sent again and finds its own row: nobody knows that it was new, but the count."""
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        faults = Faults(store.bytes.link)
        faults.breaks = lambda operation, number: operation in {"PutItem", "UpdateItem"} and number in {1, 4, 7}
        push(store, of, 1)
        faults.breaks = lambda *_: False
        assert (numbers(store, of), store.count(of), store.count_rows(of)) == ([1] * ENTITIES, ENTITIES, ENTITIES)


@pytest.mark.long
@pytest.mark.usefixtures("quick")
def test_a_half_of_each_batch_is_asked_for_again(dynamodb_url):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        push(store, of, 1)
        sent = leave_out(store.bytes.link)
        assert numbers(store, of) == [1] * ENTITIES
        assert sent["BatchGetItem"] == 8  # of 40, 20, 10, 5, 3, 2 and 1 keys, and of the schema
        store.remove(of)
        assert sent["BatchWriteItem"] > ENTITIES // 25 + 4
        assert (numbers(store, of), store.count_rows(of), store.count(of)) == ([None] * ENTITIES, 0, 0)


@pytest.mark.long
def test_what_is_never_carried_out_ends_in_time(dynamodb_url):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        push(store, of, 1)
        store.bytes.link._busy_s = store.bytes.link._answer_s = 0.3
        events = store.bytes.link._opened().meta.events

        def leave_all(parsed, **_):
            [table] = parsed["Responses"]
            keys = [{"p": item["p"], "k": item["k"]} for item in parsed["Responses"][table]]
            parsed["Responses"], parsed["UnprocessedKeys"] = {}, {table: {"Keys": keys}}

        events.register("after-call.dynamodb.BatchGetItem", leave_all)
        with pytest.raises(StoreError, match=r"has been busy for 0\.3 s"):
            numbers(store, of)


@pytest.mark.long
def test_a_hanging_server_ends_a_call_in_time_and_is_used_again():
    of = of_ids()
    with running_dynamodb() as server:
        url = server.url()
        with closing(DynamoStore(url, answer_s=0.5)) as store, closing(open_online(url)) as patient:
            push(patient, of, 1)
            with hanging(server.pid):
                for use in (lambda: store.read(of, [[1]]), lambda: push(store, of, 2), store.clock):
                    with pytest.raises(NoAnswerError, match=r"no answer within 0\.5 s"):
                        use()
            push(patient, of, 3)
            assert numbers(patient, of) == [3] * ENTITIES


@pytest.mark.long
def test_a_write_that_nobody_answered_is_sent_once_more(dynamodb_url):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        faults = Faults(store.bytes.link)
        faults.breaks = lambda operation, number: operation == "PutItem" and number in {3, 9}
        faults.error = ReadTimeoutError(endpoint_url="http://127.0.0.1")
        push(store, of, 1)
        assert (numbers(store, of), store.count(of)) == ([1] * ENTITIES, ENTITIES)
        faults.breaks = lambda operation, _: operation == "BatchGetItem"
        sent = faults.sent["BatchGetItem"]
        store.bytes.link._answer_s = 0.0  # it was waited for
        with pytest.raises(NoAnswerError, match="no answer within"):
            numbers(store, of)
        assert faults.sent["BatchGetItem"] == sent + 1


@pytest.mark.long
def test_a_restart_between_two_calls_is_not_seen():
    of = of_ids()
    with running_dynamodb() as server, closing(open_online(server.url())) as store:
        push(store, of, 1)
        server.kill()
        server.start()  # it had nothing on a disk
        assert numbers(store, of) == [None] * ENTITIES
        server.kill()
        server.start()
        assert push(store, of, 2) == ENTITIES
        assert numbers(store, of) == [2] * ENTITIES
