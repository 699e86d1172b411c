"""What of a stream is in fingerprints, and who is made of its history."""

from dataclasses import replace

from featurectl.identity.fingerprint import feature_fingerprints, fingerprints
from featurectl.identity.lineage import Ref, build_graph
from featurectl.identity.selection import SelectableObject, select_objects
from featurectl.language.definitions.stream import Stream
from tests.definitions import ARRIVALS, DELAYS, named, with_source

STREAM = replace(
    ARRIVALS, name="live", format="stream", path="", available_at=None, stream=Stream(topic="arrivals"), dedup_key=()
)
LIVE = replace(DELAYS, source=replace(STREAM, history=ARRIVALS))
EVERY = set(feature_fingerprints(DELAYS))


def moved(before, after):
    """Return which features' fingerprints differ."""
    old, new = feature_fingerprints(before), feature_fingerprints(after)
    return {name for name in old if old[name] != new[name]}


def with_history(**fields):
    return with_source(LIVE, history=replace(ARRIVALS, **fields))


def test_how_events_come_moves_no_version():
    other = Stream(topic="t", format="avro", schema="{}", schema_path="a.avsc", key=("carrier",), url="${KAFKA}")
    assert moved(LIVE, with_source(LIVE, stream=other)) == set()
    assert fingerprints(STREAM).data == fingerprints(replace(STREAM, stream=other)).data
    assert fingerprints(STREAM).metadata != fingerprints(replace(STREAM, stream=other)).metadata


def test_events_of_another_stream_are_other_rows():
    assert moved(LIVE, with_source(LIVE, name="other")) == EVERY
    assert fingerprints(STREAM).data == fingerprints(replace(STREAM, name="other")).data
    assert moved(DELAYS, with_source(DELAYS, name="other")) == set()  # files are what they are, however they are called


def test_each_word_of_a_stream_is_in_the_metadata():
    words = {
        "topic": "t",
        "format": "avro",
        "schema": "{}",
        "key": ("at",),
        "url": "kafka://k",
        "registry": "http://r",
        "retention_us": 5,
    }
    own = fingerprints(STREAM).metadata
    for name, value in words.items():
        changed = replace(STREAM, stream=replace(STREAM.stream, **{name: value}))
        assert fingerprints(changed).metadata != own, name


def test_events_that_a_worker_stamps_are_other_rows_than_those_of_files():
    batch = with_source(DELAYS, available_at=None)
    assert moved(batch, with_source(batch, format="stream", stream=Stream(topic="arrivals"))) == EVERY


def test_a_history_that_comes_or_goes_moves_features_and_its_place_none():
    assert moved(LIVE, with_source(LIVE, history=None)) == EVERY
    assert moved(LIVE, with_history(path="s3://b/arrivals", format="csv", name="renamed")) == set()


def test_when_the_rows_of_a_history_were_known_moves_every_feature():
    assert moved(LIVE, with_history(available_at=None)) == EVERY
    assert moved(LIVE, with_history(available_at=None, delay_us=5)) == EVERY
    assert moved(LIVE, with_history(timezone="Asia/Tokyo")) == EVERY


def test_a_column_that_the_history_makes_moves_the_features_that_read_it():
    assert moved(LIVE, with_history(select=(named("late", "arr_delay > 16"),))) == {"late_rate_1d"}
    assert moved(LIVE, with_history(select=())) == {"late_rate_1d"}
    assert moved(LIVE, with_history(select=(*ARRIVALS.select, named("unread", "arr_delay")))) == set()


def test_a_view_of_a_stream_is_made_of_the_history_too():
    graph = build_graph([LIVE], [], [LIVE.source, ARRIVALS])
    live, view, history = Ref("source", "live"), Ref("feature_view", "delays"), Ref("source", "arrivals")
    assert graph.upstream(view) == {live, history, Ref("entity", "carrier")}
    assert graph.downstream(history) == {live, view}
    candidates = [SelectableObject(ref=ref) for ref in (live, view, history)]
    assert select_objects(["+live"], candidates, graph) == {live, history}
    assert select_objects(["arrivals+"], candidates, graph) == {live, view, history}
