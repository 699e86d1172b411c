"""What streams mean: topics, histories, and what views of them may say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.json_form import dump_definition, load_source, load_view
from featurectl.language.definitions.stream import TOPIC_SCHEMES, Stream
from featurectl.language.repo import Environment
from featurectl.language.resolve.history import history_differences
from featurectl.language.stream_places import check_streams_run, topic_address
from featurectl.online.all_stores import STORES
from featurectl.streaming.topics.all_topic_kinds import TOPIC_KINDS
from tests.language.repository import load

SWIPES = """
entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream:
      {topic: swipes, format: avro, schema: schemas/swipe.avsc, key: [card], url: "${PARTNER}", registry: "${IDS}"}
    history: swipes_files
    columns: {id: string, card: string, amount: "decimal(9,2)", score: float64, flags: list(string), at: timestamp}
    select: {dear: score > 100}
    event_time: at
    dedup_key: [id]
  - name: swipes_files
    path: data/swipes.csv
    columns:
      {id: string, Card: string, amount: "decimal(9,2)", score: float64, flags: list(string), at: timestamp,
       seen: timestamp}
    select: {card: Card, dear: score > 100}
    event_time: at
    available_at: seen
    dedup_key: [id]
feature_views:
  - name: spend
    entity: card
    source: swipes
    where: score > 0
    aggregates:
      - {column: amount, op: [sum, median], windows: [1h, 1d], offset: 1h}
      - {column: dear, op: any, windows: [lifetime]}
  - {name: latest, entity: card, source: swipes, ttl: 1d, features: [flags, {name: amount, fill: last_non_null}]}
"""
FIELDS = [{"name": name, "type": "string"} for name in ("id", "card", "amount", "score", "flags", "at")]
SCHEMA = json.dumps({"type": "record", "name": "swipe", "fields": FIELDS})


@pytest.fixture
def repo(tmp_path):
    """The repository of swipes."""
    return load(tmp_path, {"x.yaml": SWIPES, "schemas/swipe.avsc": SCHEMA})


def test_a_stream_has_its_topic_and_its_history(repo):
    assert repo.errors == ()
    swipes = repo.sources["swipes"]
    assert swipes.stream == Stream(
        topic="swipes", format="avro", schema=SCHEMA, schema_path="schemas/swipe.avsc", key=("card",), url="${PARTNER}",
        registry="${IDS}",
    )  # fmt: skip
    assert swipes.history == repo.sources["swipes_files"]
    assert (swipes.available_at, swipes.delay_us, swipes.is_stream, swipes.static) == (None, None, True, False)
    assert [view.source for view in repo.views.values()] == [swipes, swipes]
    assert repo.views["spend"].dtype_of("amount_sum_1h_offset_1h") == "decimal(38,2)"


def test_events_are_known_when_a_worker_took_them(tmp_path):
    text = """
sources: [{name: s, stream: {topic: t}, columns: {k: string, day: date, received_at: timestamp}, event_time: day}]
feature_views: [{name: v, source: s, features: [k]}]
"""
    repo = load(tmp_path, {"x.yaml": text})
    assert [problem for problem in repo.problems if problem.code in ("FC352", "FC358")] == []
    assert repo.views["v"].delay_us is None
    batch = load(tmp_path, {"x.yaml": text.replace("stream: {topic: t}", "path: s.csv")})
    assert [problem.code for problem in batch.problems] == ["FC352"]
    assert batch.views["v"].delay_us == 0


def test_a_stream_is_registered_with_its_history_and_comes_back_equal(repo):
    swipes, spend = repo.sources["swipes"], repo.views["spend"]
    assert load_source(json.loads(json.dumps(dump_definition(swipes)))) == swipes
    assert load_view(json.loads(json.dumps(dump_definition(spend)))) == spend
    assert all(item.expression.tree for item in load_view(dump_definition(spend)).source.history.select)


def test_a_source_registered_before_there_were_topics_is_read_as_it_was(repo):
    older = dump_definition(repo.sources["swipes_files"])
    assert not {"stream", "history"} & older.keys()
    assert load_source(older) == repo.sources["swipes_files"]


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("registry: http://ids", ("FC107", '"registry" goes with "format: avro", which this stream does not have')),
        ("format: avro, schema: s.avsc, registry: kafka://ids",
         ("FC104", "this is no address of a schema registry: an http:// or https:// URL")),
        ("format: avro, schema: s.avsc, registry: 'http://ana:word@ids'",
         ("FC313", "a password stands in the file; write ${NAME} in its place")),
    ],
    ids=["json", "kafka", "password"],
)  # fmt: skip
def test_a_registry_of_schemas_is_of_avro_and_of_http(tmp_path, stream, told):
    text = f"sources: [{{name: s, stream: {{topic: t, {stream}}}, columns: {{at: timestamp}}, event_time: at}}]"
    schema = json.dumps({"type": "record", "name": "s", "fields": [{"name": "at", "type": "string"}]})
    repo = load(tmp_path, {"x.yaml": text, "s.avsc": schema})
    assert [(problem.code, problem.message) for problem in repo.errors] == [told]


def test_json_is_the_format_of_an_event_unless_another_is_named(tmp_path):
    text = "sources: [{name: s, stream: {topic: t.a-B_1}, columns: {at: timestamp}, event_time: at}]"
    repo = load(tmp_path, {"x.yaml": text})
    assert repo.errors == ()
    assert repo.sources["s"].stream == Stream(topic="t.a-B_1")


VIEW = """
entities: [{name: card, keys: {card: string}}]
sources:
  - {name: s, stream: {topic: t}, columns: {card: string, x: float64, b: bool, at: timestamp}, event_time: at, KEY}
feature_views:
  - {name: v, entity: card, source: s, HOP aggregates: [{op: OP, column: COLUMN, PARAMETER windows: [WINDOW]}]}
"""
NOT_FOLDED = {"count_distinct", "median", "percentile", "top_k"}
CHANGED_BY_A_REPEAT = {
    "count", "sum", "mean", "stddev", "stddev_pop", "var", "var_pop", "first_n", "last_n",
    "median", "percentile", "top_k",
}  # fmt: skip


def refused(root, op, *, hop="", key="", window="1d"):
    """Whether an aggregate over a stream is FC316; nothing else is wrong with it."""
    parameter = {"n": "n: 3,", "q": "q: 0.5,"}.get(AGGREGATES[op].parameter or "", "")
    words = {"KEY": key, "HOP": hop, "OP": op, "PARAMETER": parameter, "WINDOW": window}
    text = VIEW.replace("COLUMN", "b" if op in ("any", "all") else "x")
    for word, value in words.items():
        text = text.replace(word, value)
    found = [problem.code for problem in load(root, {"x.yaml": text}).errors]
    assert set(found) <= {"FC316"}
    return bool(found)


@pytest.mark.parametrize("op", AGGREGATES)
def test_each_aggregate_of_a_stream_is_taken_where_its_state_is_bounded(op, tmp_path):
    keyed = "dedup_key: [card, at]"
    assert not refused(tmp_path, op)
    assert not refused(tmp_path, op, key=keyed)
    assert refused(tmp_path, op, hop="hop: 1h,") is (op in NOT_FOLDED)
    assert refused(tmp_path, op, window="lifetime") is (op in NOT_FOLDED)
    assert refused(tmp_path, op, window="lifetime", key=keyed) is (op in NOT_FOLDED | CHANGED_BY_A_REPEAT)
    assert refused(tmp_path, op, hop="hop: 1h,", key=keyed)


def test_the_same_views_of_files_are_taken_as_before(tmp_path):
    text = VIEW.replace("stream: {topic: t}", "path: s.csv, delay: 1m").replace("KEY", "dedup_key: [card]")
    text = text.replace("HOP", "hop: 1h, refresh: 1h,").replace("OP", "[median, count]").replace("PARAMETER", "")
    text = text.replace("COLUMN", "x").replace("WINDOW", "lifetime, 4h")
    assert load(tmp_path, {"x.yaml": text}).errors == ()


def test_a_spine_and_a_label_may_be_of_a_stream(tmp_path):
    models = """
models:
  - name: m
    spine:
      source: swipes
      time: at
      label: {name: more, entity: card, source: swipes, op: count, horizon: 1d, expr: count > 1}
    features: [{spend: "*"}, {request: {amount: float64}}]
"""
    text = SWIPES.replace("decimal(9,2)", "float64") + models
    assert load(tmp_path, {"x.yaml": text, "schemas/swipe.avsc": SCHEMA}).errors == ()


def test_types_of_a_history_that_nothing_says_are_no_difference(repo):
    swipes, files = repo.sources["swipes"], repo.sources["swipes_files"]
    assert list(history_differences(swipes, files)) == []
    assert list(history_differences(swipes, replace(files, columns=None))) == []
    unknown = dict.fromkeys(files.columns, "unknown")
    assert list(history_differences(swipes, replace(files, columns=unknown))) == []
    found = list(history_differences(swipes, replace(files, columns=files.columns | {"id": "int64"})))
    assert [(item.key, item.name, item.message) for item in found] == [
        ("columns", "id", '"id" is string, and of history "swipes_files" int64')
    ]


def test_days_of_a_stream_and_its_history_begin_at_the_same_midnight(repo):
    swipes, files = repo.sources["swipes"], replace(repo.sources["swipes_files"], timezone="Asia/Tokyo")
    assert list(history_differences(swipes, files)) == []
    days = [replace(source, columns=source.columns | {"at": "date"}) for source in (swipes, files)]
    assert [item.key for item in history_differences(*days)] == ["timezone"]


ENVIRONMENT = Environment(name="dev", registry="r", offline="o", online="x")


def test_a_topic_lies_where_the_stream_or_else_the_environment_says(repo):
    swipes = repo.sources["swipes"]
    own = replace(swipes, stream=replace(swipes.stream, url=""))
    kafka = replace(ENVIRONMENT, streams="${KAFKA}")
    assert [topic_address(source, kafka) for source in (swipes, own)] == ["${PARTNER}", "${KAFKA}"]
    with pytest.raises(UsageError, match="environment dev does not say where topics are"):
        topic_address(own, ENVIRONMENT)


def test_streams_run_by_the_clock_and_by_no_other(tmp_path):
    dev = "registry: r, offline: o, online: x, streams: 'kafka://k', now: 2014-01-01T00:00:00Z"
    project = f"project: p\nenvironments:\n  dev: {{{dev}}}\n"
    dev = load(tmp_path, {"featurectl.yaml": project}).environments["dev"]
    assert dev.streams == "kafka://k"
    with pytest.raises(UsageError, match="environment dev has a fixed clock"):
        check_streams_run(dev)
    check_streams_run(replace(dev, now=None))


def test_topics_can_be_wherever_an_online_store_of_redis_or_a_file_can():
    assert set(TOPIC_SCHEMES) == {*STORES, "kafka://"} - {"postgresql://", "dynamodb://"}
    assert set(TOPIC_KINDS) <= set(TOPIC_SCHEMES)
