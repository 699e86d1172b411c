from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.units import DAY_US
from featurectl.language.definitions.about import About
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.json_form import dump_definition, load_view
from featurectl.language.definitions.source import CsvOptions, SqlQuery
from featurectl.language.definitions.stream import Stream
from tests.definitions import ARRIVALS, CARRIER, COUNT, DELAYS, LATEST, MODEL, with_feature, with_source
from tests.plan.states import EMPTY, applied, plan_of, repo_of, state_of
from tests.seeds import examples

ALL = (CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)


def done(plan):
    return [(s.action, s.item.name, s.item.version) for s in plan.stages if s.action != "create"]


def sources_of(state):
    return {(o.name, o.version): load_view(o.definition).source for o in state.objects if o.kind == "feature_view"}


def test_a_breaking_change_writes_the_next_version_and_retires_the_old_one():
    state = state_of(*ALL)
    plan = plan_of(repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL), state)
    assert done(plan) == [("write", "delays", 2), ("retire", "delays", 1)]
    new = applied(plan, state)
    assert {(o.version, o.current) for o in new.objects if o.name == "delays"} == {(1, False), (2, True)}
    assert load_view(new.view("delays", 1).definition) == DELAYS


def test_all_versions_of_a_view_follow_a_moved_source_with_its_meaning():
    state = state_of(*ALL)
    state = applied(plan_of(repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL), state), state)
    moved = replace(
        ARRIVALS, path="s3://b/arrivals", format="csv", csv=CsvOptions(separator=";"), timezone="Asia/Tokyo"
    )
    views = [replace(view, source=moved) for view in (replace(DELAYS, closed="both"), LATEST)]
    repo = repo_of(CARRIER, moved, *views, replace(MODEL, spine=replace(MODEL.spine, source=moved)))
    state = applied(plan_of(repo, state), state)
    found = sources_of(state)
    assert {source.path for source in found.values()} == {"s3://b/arrivals"}
    assert {key: source.timezone for key, source in found.items()} == {
        ("delays", 1): "UTC",
        ("delays", 2): "UTC",
        ("delays", 3): "Asia/Tokyo",
        ("latest", 1): "UTC",
        ("latest", 2): "Asia/Tokyo",
    }


def test_a_query_s_url_moves_with_it_and_its_text_does_not():
    source = replace(ARRIVALS, format="sql", path="", sql=SqlQuery(url="${OLD}", query="select * from a"))
    view = replace(DELAYS, source=source)
    state = state_of(CARRIER, source, view)
    source = replace(source, sql=SqlQuery(url="${NEW}", query="select * from b"))
    state = applied(plan_of(repo_of(CARRIER, source, replace(view, source=source)), state), state)
    assert {key: found.sql for key, found in sources_of(state).items()} == {
        ("delays", 1): SqlQuery(url="${NEW}", query="select * from a"),
        ("delays", 2): SqlQuery(url="${NEW}", query="select * from b"),
    }


def test_a_path_alone_changes_the_source_and_its_views_are_written_along():
    state = state_of(*ALL)
    moved = replace(ARRIVALS, path="elsewhere")
    views = [replace(view, source=moved) for view in (DELAYS, LATEST)]
    plan = plan_of(repo_of(CARRIER, moved, *views, replace(MODEL, spine=replace(MODEL.spine, source=moved))), state)
    assert [c.name for c in plan.changes if c.kind != "unchanged"] == ["arrivals"]
    assert sorted(done(plan)) == [
        ("write", "arrivals", 1),
        ("write", "delays", 1),
        ("write", "late", 1),
        ("write", "latest", 1),
    ]


def test_a_version_keeps_the_key_order_that_it_began_with():
    keys = {"origin": "string", "carrier": "string"}
    route = Entity(name="route", keys=keys)
    view = replace(LATEST, entity=route, join={})
    state = state_of(route, ARRIVALS, view)
    turned = replace(route, keys=dict(reversed(keys.items())))
    repo = repo_of(turned, ARRIVALS, replace(view, entity=turned, about=About(owner="ana")))
    state = applied(plan_of(repo, state), state)
    assert load_view(state.current("feature_view", "latest").definition).keys == ("origin", "carrier")
    assert plan_of(repo, state).empty


VIEWS = [
    DELAYS,
    replace(DELAYS, closed="both"),
    replace(DELAYS, about=About(owner="ana")),
    replace(DELAYS, features=DELAYS.features[:2]),
    replace(DELAYS, features=(*DELAYS.features, replace(COUNT, name="count_30d", window_us=30 * DAY_US))),
    with_feature(DELAYS, "count_1d", default=1),
    None,
]
SOURCES = [
    ARRIVALS,
    replace(ARRIVALS, path="b"),
    replace(ARRIVALS, nan="keep"),
    replace(ARRIVALS, about=About(tags=("x",))),
]
LATESTS = [LATEST, replace(LATEST, ttl_us=None), replace(LATEST, online=False), None]


@st.composite
def repos(draw):
    source = draw(st.sampled_from(SOURCES))
    views = [draw(st.sampled_from(VIEWS)), draw(st.sampled_from(LATESTS))]
    found = [replace(view, source=source) for view in views if view]
    model = [replace(MODEL, spine=replace(MODEL.spine, source=source))] if draw(st.booleans()) and views[0] else []
    return repo_of(CARRIER, source, *found, *model)


@settings(max_examples=examples(15))
@given(st.lists(repos(), min_size=1, max_size=6))
def test_a_plan_after_an_apply_is_empty_whatever_came_before(history):
    state = EMPTY
    for repo in history:
        first = plan_of(repo, state)
        plan = plan_of(repo, state, *(c.name for c in first.changes if c.kind == "removed"))
        assert not plan.blocked
        if not plan.empty:
            state = applied(plan, state)
        again = plan_of(repo, state)
        assert again.empty, again.to_json()
        assert again.stages == ()
        for view in repo.views.values():
            assert state.current("feature_view", view.name).definition == dump_definition(view)


@settings(max_examples=examples(40))
@given(repos(), repos())
def test_the_same_plan_gives_the_same_json(one, other):
    state = applied(plan_of(one, EMPTY), EMPTY)
    assert plan_of(other, state).to_json() == plan_of(other, state).to_json()


def test_a_source_that_is_read_another_way_stays_with_the_old_versions():
    view = with_source(DELAYS, path="a")
    state = state_of(CARRIER, view.source, view)
    source = replace(view.source, path="", format="sql", sql=SqlQuery(url="u", query="q"))
    state = applied(plan_of(repo_of(CARRIER, source, replace(view, source=source)), state), state)
    assert sources_of(state)["delays", 1].path == "a"


def test_all_versions_of_a_view_follow_a_stream_and_its_history():
    live = replace(
        ARRIVALS,
        format="stream",
        path="",
        available_at=None,
        stream=Stream(topic="a"),
        history=replace(ARRIVALS, name="h"),
    )
    history = live.history
    state = state_of(CARRIER, history, live, replace(DELAYS, source=live))
    broken = replace(DELAYS, source=live, closed="both")
    state = applied(plan_of(repo_of(CARRIER, history, live, broken), state), state)
    there = replace(history, path="s3://b/arrivals", delay_us=5, available_at=None)
    moved = replace(live, stream=Stream(topic="b", url="${KAFKA}"), history=there)
    state = applied(plan_of(repo_of(CARRIER, there, moved, replace(broken, source=moved)), state), state)
    found = {key: source for key, source in sources_of(state).items() if source is not None}
    assert {(s.stream.topic, s.stream.url, s.history.path) for s in found.values()} == {
        ("b", "${KAFKA}", "s3://b/arrivals")
    }
    assert [found["delays", version].history.delay_us for version in (1, 2, 3)] == [None, None, 5]
