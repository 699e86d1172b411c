from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.units import DAY_US, HOUR_US
from featurectl.expressions.check import type_expression
from featurectl.expressions.tree import Expression
from featurectl.identity.fingerprint import feature_fingerprints, fingerprints
from featurectl.identity.registered_kinds import data_facts, metadata_facts
from featurectl.language.definitions.about import About, Freshness
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import Spine
from featurectl.language.definitions.source import Check, CsvOptions, IcebergName, Source, SqlQuery
from featurectl.language.definitions.stream import Stream
from featurectl.language.definitions.view import Feature, FeatureView, Transform
from tests.definitions import (
    ARRIVALS,
    CARRIER,
    COLUMNS,
    DELAYS,
    LATE,
    LATEST,
    MODEL,
    TREND,
    expression,
    named,
    with_feature,
    with_source,
)
from tests.fields import every_field, which


def moved(before, after):
    """Return which features' fingerprints differ."""
    old, new = feature_fingerprints(before), feature_fingerprints(after)
    assert set(old) == set(new)
    return {name for name in old if old[name] != new[name]}


EVERY = {"arr_delay_mean_7d", "count_1d", "late_rate_1d", "trend"}
SHARED = {
    "where": replace(DELAYS, where=expression("arr_delay > 0")),
    "no where": replace(DELAYS, where=None),
    "closed": replace(DELAYS, closed="both"),
    "hop": replace(DELAYS, hop_us=HOUR_US),
    "join": replace(DELAYS, join={"carrier": "origin"}),
    "key type": replace(DELAYS, entity=replace(CARRIER, keys={"carrier": "int64"})),
    "event_time": with_source(DELAYS, event_time="known_at"),
    "no available_at": with_source(DELAYS, available_at=None),
    "delay": with_source(DELAYS, available_at=None, delay_us=HOUR_US),
    "timezone": with_source(DELAYS, timezone="America/New_York"),
    "nan": with_source(DELAYS, nan="keep"),
    "tiebreak": with_source(DELAYS, tiebreak=("origin",)),
    "dedup_key": with_source(DELAYS, dedup_key=("origin",)),
    "type of the key column": with_source(DELAYS, columns=COLUMNS | {"carrier": "int64"}),
    "type of the time": with_source(DELAYS, columns=COLUMNS | {"at": "date"}),
}


@pytest.mark.parametrize("field", SHARED)
def test_what_decides_a_view_s_rows_moves_every_feature(field):
    assert moved(DELAYS, SHARED[field]) == EVERY


OWN = {
    "op": {"op": "median"},
    "window": {"window_us": DAY_US},
    "lifetime": {"window_us": None},
    "offset": {"offset_us": DAY_US},
    "n": {"n": 3},
    "q": {"q": 0.5},
    "default": {"default": 0.0},
    "fill": {"fill_last": True},
    "type": {"dtype": "int64"},
    "column": {"column": "late"},
}


@pytest.mark.parametrize("field", OWN)
def test_a_feature_s_own_field_moves_it_and_what_is_derived_from_it(field):
    assert moved(DELAYS, with_feature(DELAYS, "arr_delay_mean_7d", **OWN[field])) == {"arr_delay_mean_7d", "trend"}


def test_a_select_moves_the_features_that_read_it_also_through_its_columns():
    select = (replace(LATE, expression=expression("arr_delay > 30")),)
    assert moved(DELAYS, with_source(DELAYS, select=select)) == {"late_rate_1d"}
    bigger = COLUMNS | {"origin": "int64"}
    assert moved(DELAYS, with_source(DELAYS, columns=bigger)) == set()
    via = with_source(DELAYS, select=(replace(LATE, expression=Expression("origin = 'JFK'")),))
    assert moved(via, with_source(via, columns=bigger)) == {"late_rate_1d"}


def test_ttl_and_an_input_s_expression_move_state_features():
    assert moved(LATEST, replace(LATEST, ttl_us=HOUR_US)) == {"arr_delay", "hours"}
    inputs = (LATEST.inputs[0], named("hours", "arr_delay / 3600"))
    assert moved(LATEST, replace(LATEST, inputs=inputs)) == {"hours"}


def test_a_derived_feature_moves_alone_and_through_another_derived_one():
    second = replace(TREND, name="double", expression=type_expression("trend * 2", {"trend": "float64"}))
    view = replace(DELAYS, derived=(second, TREND))
    other = replace(TREND, expression=type_expression("arr_delay_mean_7d", {"arr_delay_mean_7d": "float64"}))
    assert moved(view, replace(view, derived=(second, other))) == {"trend", "double"}
    assert moved(view, with_feature(view, "count_1d", window_us=HOUR_US)) == {"trend", "double", "count_1d"}
    assert moved(view, replace(view, derived=(replace(second, default=0.0), TREND))) == {"double"}


UNMOVED = {
    "name": replace(DELAYS, name="other"),
    "online": replace(DELAYS, online=False),
    "refresh": replace(DELAYS, refresh_us=HOUR_US),
    "retention": replace(DELAYS, retention_us=DAY_US),
    "freshness": replace(DELAYS, freshness=Freshness(warn_after_us=1)),
    "a feature's own freshness": with_feature(DELAYS, "count_1d", freshness=Freshness(error_after_us=HOUR_US)),
    "a derived one's own freshness": replace(DELAYS, derived=(replace(TREND, freshness=Freshness(warn_after_us=1)),)),
    "about": replace(DELAYS, about=About(owner="ana", tags=("core",), description="x")),
    "description": with_feature(DELAYS, "count_1d", description="how many"),
    "entity name": replace(DELAYS, entity=replace(CARRIER, name="airline")),
    "source name": with_source(DELAYS, name="landings"),
    "path and format": with_source(DELAYS, path="s3://b/x.csv", format="delta"),
    "separator": with_source(DELAYS, csv=CsvOptions(separator=";")),
    "lateness": with_source(DELAYS, lateness_us=HOUR_US),
    "source about": with_source(DELAYS, about=About(owner="ana")),
    "source freshness": with_source(DELAYS, freshness=Freshness(error_after_us=1)),
    "columns that nothing reads": with_source(DELAYS, columns=COLUMNS | {"more": "string"}),
    "declared as they are": with_source(DELAYS, columns_declared=True),
    "order of features": replace(DELAYS, features=DELAYS.features[::-1], inputs=DELAYS.inputs[::-1]),
    "order of columns": with_source(DELAYS, columns=dict(reversed(COLUMNS.items()))),
    "a key's column written out": replace(DELAYS, join={}),
    "no offset": with_feature(DELAYS, "count_1d", offset_us=0),
}


@pytest.mark.parametrize("field", UNMOVED)
def test_what_can_not_change_a_value_moves_nothing(field):
    assert moved(DELAYS, UNMOVED[field]) == set()
    assert fingerprints(UNMOVED[field]).data == fingerprints(DELAYS).data


def test_an_expression_s_spelling_moves_nothing_typed_or_not():
    spelled = replace(DELAYS, where=expression("( arr_delay )  IS NOT NULL"))
    assert spelled.where != DELAYS.where
    assert moved(DELAYS, spelled) == set()
    untyped = [replace(DELAYS, where=Expression(text)) for text in ("a > 1 and b", "(a>1)  AND b")]
    assert moved(*untyped) == set()
    assert moved(untyped[0], replace(DELAYS, where=Expression("a >= 1 and b"))) == EVERY


def test_a_whole_number_is_the_default_of_a_float_feature_as_the_float_is():
    assert (
        moved(
            with_feature(DELAYS, "arr_delay_mean_7d", default=0.0), with_feature(DELAYS, "arr_delay_mean_7d", default=0)
        )
        == set()
    )
    assert moved(with_feature(DELAYS, "count_1d", default=1), with_feature(DELAYS, "count_1d", default=True)) == {
        "count_1d",
        "trend",
    }


def test_a_header_that_was_not_read_and_one_without_types_are_the_same():
    by_name = dict.fromkeys(COLUMNS, "unknown")
    assert moved(with_source(DELAYS, columns=None), with_source(DELAYS, columns=by_name)) == set()


def test_csv_options_that_change_values_count_for_csv_alone():
    csv = with_source(DELAYS, format="csv")
    assert moved(csv, with_source(csv, csv=CsvOptions(null_values=("", "NA")))) == EVERY
    assert moved(csv, with_source(csv, csv=CsvOptions(timestamp_format="%d.%m.%Y"))) == EVERY
    assert moved(csv, with_source(csv, csv=CsvOptions(separator=";"))) == set()
    assert moved(DELAYS, with_source(DELAYS, csv=CsvOptions(null_values=("NA",)))) == set()


def test_another_format_of_the_data_moves_nothing_unless_a_csv_option_does():
    for options in (CsvOptions(), CsvOptions(separator=";", null_values=("", ""))):
        assert moved(DELAYS, with_source(DELAYS, format="csv", csv=options)) == set()
    for options in (
        CsvOptions(null_values=("NA",)),
        CsvOptions(null_values=()),
        CsvOptions(timestamp_format="%d.%m.%Y"),
    ):
        assert moved(DELAYS, with_source(DELAYS, format="csv", csv=options)) == EVERY


def test_the_text_of_a_query_counts_and_its_layout_and_url_do_not():
    def view(query, url="u"):
        return with_source(DELAYS, format="sql", sql=SqlQuery(url=url, query=query))

    assert moved(view("select a from t"), view("select  a\n  from t -- all\n", url="v")) == set()
    assert moved(view("select a from t"), view("select a from t where b")) == EVERY
    assert moved(view("select 'a b'"), view("select 'a  b'")) == EVERY


def test_every_field_of_a_source_is_in_one_of_its_fingerprints():
    sql = replace(ARRIVALS, format="sql", sql=SqlQuery(url="u", query="q"))
    declared = replace(ARRIVALS, columns_declared=True)
    swipes = replace(ARRIVALS, format="stream", available_at=None, stream=Stream(topic="arrivals"))
    lake = replace(ARRIVALS, format="iceberg", path="", iceberg=IcebergName(table="a.b"))
    changed = {
        "format": (ARRIVALS, replace(ARRIVALS, format="delta"), "metadata"),
        "path": (ARRIVALS, replace(ARRIVALS, path="other"), "metadata"),
        "sql": (sql, replace(sql, sql=SqlQuery(url="v", query="r")), "both"),
        "stream": (swipes, replace(swipes, stream=Stream(topic="other", key=("at",), url="${K}")), "metadata"),
        "iceberg": (lake, replace(lake, iceberg=IcebergName(table="a.c", catalog="c")), "metadata"),
        "history": (swipes, replace(swipes, history=ARRIVALS), "both"),
        "csv": (
            replace(ARRIVALS, format="csv"),
            replace(ARRIVALS, format="csv", csv=CsvOptions(separator=";", null_values=())),
            "both",
        ),
        "event_time": (ARRIVALS, replace(ARRIVALS, event_time=None), "data"),
        "available_at": (ARRIVALS, replace(ARRIVALS, available_at=None), "data"),
        "delay_us": (ARRIVALS, replace(ARRIVALS, delay_us=5), "data"),
        "lateness_us": (ARRIVALS, replace(ARRIVALS, lateness_us=5), "metadata"),
        "timezone": (ARRIVALS, replace(ARRIVALS, timezone="Asia/Tokyo"), "data"),
        "nan": (ARRIVALS, replace(ARRIVALS, nan="keep"), "data"),
        "columns": (declared, replace(declared, columns=COLUMNS | {"x": "date"}), "data"),
        "columns_declared": (ARRIVALS, declared, "data"),
        "select": (ARRIVALS, replace(ARRIVALS, select=()), "data"),
        "tiebreak": (ARRIVALS, replace(ARRIVALS, tiebreak=("at",)), "data"),
        "dedup_key": (ARRIVALS, replace(ARRIVALS, dedup_key=("at",)), "data"),
        "freshness": (ARRIVALS, replace(ARRIVALS, freshness=Freshness(warn_after_us=5)), "metadata"),
        "checks": (ARRIVALS, replace(ARRIVALS, checks=(Check(kind="row_count", low=1.0),)), "metadata"),
        "about": (ARRIVALS, replace(ARRIVALS, about=About(owner="ana")), "metadata"),
    }
    every_field(Source, changed)
    assert {field: which(before, after) for field, (before, after, _) in changed.items()} == {
        field: expected for field, (_, _, expected) in changed.items()
    }


def test_every_field_of_an_entity_is_in_one_of_its_fingerprints():
    changed = {
        "keys": (replace(CARRIER, keys={"carrier": "int64"}), "data"),
        "about": (replace(CARRIER, about=About(tags=("x",))), "metadata"),
    }
    every_field(Entity, changed)
    assert all(which(CARRIER, after) == expected for after, expected in changed.values())


def test_every_field_of_a_view_is_in_one_of_its_fingerprints():
    changed = {
        "kind": (LATEST, replace(LATEST, kind="event"), "data"),
        "entity": (DELAYS, replace(DELAYS, entity=None), "both"),
        "source": (DELAYS, with_source(DELAYS, name="x", nan="keep"), "both"),
        "join": (DELAYS, SHARED["join"], "data"),
        "where": (DELAYS, SHARED["where"], "data"),
        "inputs": (
            DELAYS,
            replace(DELAYS, inputs=(named("arr_delay", "arr_delay + 1"), named("late", "late"))),
            "data",
        ),
        "features": (DELAYS, replace(DELAYS, features=DELAYS.features[:2]), "both"),
        "derived": (DELAYS, replace(DELAYS, derived=()), "both"),
        "transform": (LATEST, replace(LATEST, transform=Transform(path="t.py", function="f", text="")), "both"),
        "ttl_us": (LATEST, replace(LATEST, ttl_us=None), "data"),
        "closed": (DELAYS, SHARED["closed"], "data"),
        "hop_us": (DELAYS, SHARED["hop"], "data"),
        "online": (DELAYS, UNMOVED["online"], "metadata"),
        "refresh_us": (DELAYS, UNMOVED["refresh"], "metadata"),
        "retention_us": (DELAYS, UNMOVED["retention"], "metadata"),
        "freshness": (DELAYS, UNMOVED["freshness"], "metadata"),
        "checks": (DELAYS, replace(DELAYS, checks=(Check(kind="unique", column="at"),)), "metadata"),
        "about": (DELAYS, UNMOVED["about"], "metadata"),
    }
    every_field(FeatureView, changed)
    assert {field: which(before, after) for field, (before, after, _) in changed.items()} == {
        field: expected for field, (_, _, expected) in changed.items()
    }
    metadata = {"description", "freshness", "renamed_to", "aliases"}
    own = {f.name for f in fields(Feature)} - {"name", *metadata}
    assert own == {
        f"{field}_us" if field in ("window", "offset") else {"fill": "fill_last", "type": "dtype"}.get(field, field)
        for field in OWN
        if field != "lifetime"
    }


LABEL_FIELDS = {
    "name": "other", "expression": None, "entity": CARRIER, "source": ARRIVALS,
    "op": "count", "column": "c", "where": Expression("x > 1"), "horizon_us": DAY_US,
}  # fmt: skip


@pytest.mark.parametrize("field", LABEL_FIELDS)
def test_every_field_of_a_label_counts(field):
    label = replace(MODEL.spine.label, **{field: LABEL_FIELDS[field]})
    assert which(MODEL, replace(MODEL, spine=replace(MODEL.spine, label=label))) == "data"
    assert set(LABEL_FIELDS) == {f.name for f in fields(label)} - {"dtype"}
    assert {f.name for f in fields(Spine)} == {"source", "time", "where", "label", "known_at"}


def test_when_answers_are_made_counts():
    assert which(MODEL, replace(MODEL, spine=replace(MODEL.spine, known_at="other"))) == "data"


def shuffled(draw, mapping):
    return dict(draw(st.permutations(list(mapping.items()))))


@given(st.data())
def test_no_order_of_keys_or_lists_of_names_moves_a_fingerprint(data):
    def draw(strategy):
        return data.draw(strategy)

    source = replace(
        ARRIVALS, columns=shuffled(draw, COLUMNS), dedup_key=tuple(draw(st.permutations(["origin", "at"])))
    )
    entity = Entity(name="route", keys=shuffled(draw, {"origin": "string", "carrier": "string"}))
    view = replace(
        DELAYS,
        entity=entity,
        source=source,
        join=shuffled(draw, {"origin": "origin", "carrier": "carrier"}),
        features=tuple(draw(st.permutations(DELAYS.features))),
        about=About(tags=tuple(draw(st.permutations(["a", "b", "c"])))),
    )
    first = replace(
        DELAYS,
        entity=Entity(name="route", keys={"origin": "string", "carrier": "string"}),
        source=replace(ARRIVALS, dedup_key=("origin", "at")),
        join={"origin": "origin", "carrier": "carrier"},
        about=About(tags=("a", "b", "c")),
    )
    assert feature_fingerprints(view) == feature_fingerprints(first)
    assert fingerprints(source).data == fingerprints(first.source).data
    assert fingerprints(entity).data == fingerprints(first.entity).data
    other_metadata = {k: v for k, v in metadata_facts(view).items() if k != "features"}
    assert other_metadata == {k: v for k, v in metadata_facts(first).items() if k != "features"}


@given(st.sampled_from([*SHARED.values()]), st.sampled_from([*SHARED.values()]))
def test_views_have_equal_fingerprints_exactly_when_their_facts_are_equal(one, other):
    same = {k: f.value for k, f in data_facts(one).items()} == {k: f.value for k, f in data_facts(other).items()}
    assert (fingerprints(one).data == fingerprints(other).data) is same


def test_fingerprints_are_the_same_in_every_process():
    assert fingerprints(DELAYS).features == feature_fingerprints(DELAYS)
    assert feature_fingerprints(DELAYS)["count_1d"] == FIXED


FIXED = "91490158a406d2ff8bdfd1602158ac4388c79de98c8dc65c0afa38257a980fc6"  # a change of the form moves every version
