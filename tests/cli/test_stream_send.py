"""`stream send`: files and pipes become messages of a topic, in the order of their events."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.topics.reading import read_to_end, reading

PROJECT = """project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", streams: "sqlite:///s.db"}
  fixed: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", streams: "sqlite:///t", now: 2026-01-01}
"""
OBJECTS = """entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes, key: [card]}
    columns: {id: int64, card: string, at: timestamp}
    event_time: at
    dedup_key: [id]
  - {name: others, stream: {topic: o, format: avro, schema: o.avsc}, columns: {at: timestamp}, event_time: at}
  - {name: shops, path: shops.csv, columns: {card: string, size: int64}}
feature_views:
  - {name: recent, entity: card, source: swipes, aggregates: [{op: count, windows: [1h]}]}
"""
LINES = [f'{{"id":{number},"card":"c{number % 3}","at":"2026-01-01T00:0{number % 7}:00Z"}}' for number in range(20)]


@pytest.fixture
def repo(tmp_path, monkeypatch, capsys):
    """A repository with streams, applied."""
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(OBJECTS)
    (tmp_path / "shops.csv").write_text("card,size\nc1,3\n")
    (tmp_path / "o.avsc").write_text('{"type":"record","name":"o","fields":[{"name":"at","type":"long"}]}')
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    return tmp_path


def run(capsys, *args):
    code = main(["stream", "send", *args])
    said = capsys.readouterr()
    return code, said.out, said.err


def sent(repo: Path) -> list[tuple[bytes | None, dict[str, object]]]:
    """The keys and values in the topic, partition by partition."""
    with closing(open_topics(f"sqlite:///{repo / 's.db'}")) as broker, reading(broker, "swipes") as log:
        read = read_to_end(log)
        return [(key, json.loads(value)) for of in read.values() for _, key, value in of]


@pytest.fixture
def pipe(repo, monkeypatch):
    """What puts lines on stdin."""
    with ExitStack() as opened:

        def put(lines):
            (repo / "piped").write_text("\n".join(lines))
            monkeypatch.setattr("sys.stdin", opened.enter_context((repo / "piped").open()))

        yield put


def test_rows_of_a_file_are_sent_in_the_order_of_their_events(repo, capsys):
    rows = [json.loads(line) for line in LINES]
    (repo / "a.csv").write_text(
        "id,card,at\n" + "".join(f"{r['id']},{r['card']},{r['at']}\n" for r in rows) + "99,c1,\n"
    )
    code, out, err = run(capsys, "swipes", "a.csv")
    assert (code, err) == (0, "")
    assert out == (
        "20 events sent to topic swipes (sqlite:///s.db), of 2026-01-01T00:00:00Z to 2026-01-01T00:06:00Z.\n"
        "1 row without an event time left out.\n"
    )
    read = sent(repo)
    assert sorted(value["id"] for _, value in read) == [*range(20)]
    assert {key for key, _ in read} == {b"c0", b"c1", b"c2"}
    for card in ("c0", "c1", "c2"):
        times = [value["at"] for _, value in read if value["card"] == card]
        assert times == sorted(times)


def test_lines_on_stdin_are_sent_as_they_are(repo, capsys, pipe):
    pipe(LINES)
    code, out, _ = run(capsys, "swipes", "-o", "json")
    assert (code, json.loads(out)["result"]) == (
        0,
        {
            "source": "swipes",
            "topic": "swipes",
            "sent": 20,
            "first_event_time": "2026-01-01T00:00:00Z",
            "last_event_time": "2026-01-01T00:06:00Z",
            "without_event_time": 0,
            "ahead_of_now": 0,
        },
    )
    assert len(sent(repo)) == 20


def test_a_line_that_is_no_event_ends_it_and_says_where(capsys, pipe):
    pipe([*LINES[:2], '{"id":"x","card":"c1","at":"2026-01-01"}'])
    code, out, err = run(capsys, "swipes")
    assert (code, out) == (1, "")
    assert "error[FC504]: line 3, column id: " in err


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["swips", "a.csv"], 64, "no source 'swips' is applied in project shop\n  = did you mean \"swipes\"?"),
        (["shops", "shops.csv"], 64, "source shops is no stream"),
        (["others", "a.csv"], 64, "source others reads avro, and featurectl sends json"),
        (["swipes", "no.csv"], 1, "error[FC501]: source swipes: no file matches no.csv"),
        (["swipes", "objects.yaml"], 64, "nothing tells the format of objects.yaml"),
        (["swipes", "shops.csv"], 1, "FC503"),
        (["swipes", "a.csv", "--speed", "0x"], 64, "--speed '0x' is no speed"),
        (["swipes", "a.csv", "--speed", "fast"], 64, "--speed 'fast' is no speed"),
        (["swipes", "a.csv", "--rate", "-1"], 64, "--rate -1 is no number of events a second"),
        (["swipes", "a.csv", "--env", "fixed"], 64, "environment fixed has a fixed clock"),
    ],
)
def test_what_can_not_be_sent_is_said(repo, capsys, args, code, told):
    ended, out, err = run(capsys, *args)
    assert (ended, out, told in err, "Traceback" in err) == (code, "", True, False), err
    assert not (repo / "s.db").exists() or sent(repo) == []


def test_events_of_the_future_are_sent_and_told(repo, capsys, pipe):
    ahead = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    lines = [f'{{"id":{number},"card":"c1","at":"{at}"}}' for number, at in enumerate([ahead, "2026-01-01T00:00:00Z"])]
    told = "1 event dated more than 1 h ahead of now: workers reject them."
    pipe(lines)
    code, out, _ = run(capsys, "swipes")
    assert (code, out.splitlines()[-1]) == (0, told)
    (repo / "a.ndjson").write_text("\n".join(lines))
    code, out, _ = run(capsys, "swipes", "a.ndjson")
    assert (code, out.splitlines()[-1]) == (0, told)
    code, out, _ = run(capsys, "swipes", "a.ndjson", "-o", "json")
    assert json.loads(out)["result"]["ahead_of_now"] == 1
