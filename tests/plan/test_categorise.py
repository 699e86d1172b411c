from dataclasses import replace

import pytest

from featurectl.core.errors import UsageError
from featurectl.core.units import DAY_US, HOUR_US
from featurectl.expressions.check import type_expression
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import CsvOptions, SqlQuery
from featurectl.language.syntax.place import Place
from featurectl.plan.build import PlanRequest, plan_repo
from tests.definitions import (
    ARRIVALS,
    CARRIER,
    COLUMNS,
    COUNT,
    DELAYS,
    LATE,
    LATEST,
    MODEL,
    expression,
    named,
    with_feature,
    with_source,
)
from tests.plan.states import EMPTY, applied, plan_of, repo_of, state_of, the_change, trained

ALL = (CARRIER, ARRIVALS, DELAYS, LATEST, MODEL)


def change_to(view, state=None):
    """Return the change of DELAYS to another view of its name, everything else being as it was."""
    state = state or state_of(*ALL)
    return the_change(plan_of(repo_of(CARRIER, ARRIVALS, view, LATEST, MODEL), state))


def told(change):
    return [(r.sign, r.field, r.old, r.new, r.features) for r in change.reasons]


def test_everything_is_new_in_an_empty_registry():
    plan = plan_of(repo_of(*ALL), EMPTY)
    assert [(c.kind, c.object, c.name, c.new_version) for c in plan.changes] == [
        ("new", "entity", "carrier", 1),
        ("new", "source", "arrivals", 1),
        ("new", "feature_view", "delays", 1),
        ("new", "feature_view", "latest", 1),
        ("new", "model", "late", 1),
    ]
    assert [stage.action for stage in plan.stages] == ["create"] * 2 + ["write"] * 5


def test_what_is_registered_as_it_is_written_is_unchanged():
    plan = plan_of(repo_of(*ALL), state_of(*ALL))
    assert plan.empty
    assert plan.stages == ()
    assert [c.kind for c in plan.changes] == ["unchanged"] * 5


def test_a_field_of_all_features_makes_a_new_version_and_names_its_changes():
    change = change_to(replace(DELAYS, where=expression("arr_delay > 0")))
    assert (change.kind, change.old_version, change.new_version) == ("breaking", 1, 2)
    features = ("arr_delay_mean_7d", "count_1d", "late_rate_1d", "trend")
    assert told(change) == [("~", "where", "arr_delay is not null", "arr_delay > 0", features)]


def test_a_field_of_one_feature_names_it_and_what_is_derived_from_it():
    change = change_to(with_feature(DELAYS, "count_1d", window_us=2 * DAY_US))
    assert change.kind == "breaking"
    assert told(change) == [("~", "aggregates.count_1d.window", "1d", "2d", ("count_1d", "trend"))]


def test_a_new_feature_keeps_the_version_and_says_if_it_needs_a_column():
    more = replace(COUNT, name="count_1h", window_us=HOUR_US)
    change = change_to(replace(DELAYS, features=(*DELAYS.features, more)))
    assert (change.kind, change.old_version, change.new_version) == ("additive", 1, 1)
    assert told(change) == [("+", "aggregates.count_1h", "", "new feature", ())]
    column = named("origin", "origin")
    last = replace(COUNT, name="origin_last_1d", op="last", column="origin", dtype="string")
    change = change_to(replace(DELAYS, features=(*DELAYS.features, last), inputs=(*DELAYS.inputs, column)))
    assert told(change) == [("+", "aggregates.origin_last_1d", "", "new feature, new column origin", ())]


def test_a_removed_feature_keeps_the_version_unless_a_model_reads_it():
    without = replace(DELAYS, features=DELAYS.features[:2])
    change = change_to(without)
    assert (change.kind, change.new_version, change.computes) == ("removal", 1, False)
    assert told(change) == [("-", "aggregates.late_rate_1d", "", "removed feature", ())]
    state = state_of(*ALL)
    reader = replace(state, model_versions=(trained("late", 3, "delays", 1, ["late_rate_1d"]),))
    change = change_to(without, reader)
    assert (change.kind, change.new_version) == ("breaking", 2)
    assert change.notes == ("model late v3 stays on delays@1 until it is retrained",)
    other = replace(state, model_versions=(trained("late", 3, "delays", 1, ["count_1d"]),))
    assert change_to(without, other).kind == "removal"


def test_a_renamed_feature_is_reported_as_one_with_what_breaks_online():
    renamed = replace(DELAYS, features=(*DELAYS.features[:2], replace(DELAYS.features[2], name="lateness_1d")))
    change = change_to(renamed)
    assert (change.kind, change.old_version, change.new_version) == ("removal", 1, 1)
    assert told(change) == [("+", "aggregates.lateness_1d", "", "renamed, was late_rate_1d", ())]
    asks = "who asks online for delays:late_rate_1d has to ask for delays:lateness_1d"
    keeps = "`aliases` of a renamed feature keep its old name answered, and nothing is computed again"
    assert change.notes == (asks, keeps)
    reader = replace(state_of(*ALL), model_versions=(trained("late", 3, "delays", 1, ["late_rate_1d"]),))
    change = change_to(renamed, reader)
    assert (change.kind, change.new_version) == ("breaking", 2)
    stays = "model late v3 stays on delays@1 until it is retrained"
    assert change.notes == (f"{asks}; bound under it: model late v3", keeps, stays)


def test_several_renamed_features_are_told_of_in_one_line():
    first, second, third = DELAYS.features
    both = replace(DELAYS, features=(first, replace(second, name="b"), replace(third, name="c")))
    asks = f"who asks online for delays:{second.name}, {third.name} has to ask for delays:b, c"
    assert change_to(both).notes[0] == asks
    reader = replace(state_of(*ALL), model_versions=(trained("late", 3, "delays", 1, [second.name, third.name]),))
    assert change_to(both, reader).notes[0] == f"{asks}; bound under them: model late v3"


def test_a_new_name_with_other_values_is_no_renaming():
    other = replace(DELAYS.features[2], name="lateness_1d", default=0.5)
    change = change_to(replace(DELAYS, features=(*DELAYS.features[:2], other)))
    assert [reason[:2] for reason in told(change)] == [
        ("+", "aggregates.lateness_1d"),
        ("-", "aggregates.late_rate_1d"),
    ]
    assert change.notes == ()


def test_of_two_equal_features_that_are_renamed_each_has_its_own_name():
    twins = replace(DELAYS, features=(*DELAYS.features, replace(COUNT, name="count_b")))
    state = state_of(CARRIER, ARRIVALS, twins, LATEST, MODEL)
    renamed = replace(twins, features=(*DELAYS.features, replace(COUNT, name="count_c")))
    assert told(change_to(renamed, state)) == [("+", "aggregates.count_c", "", "renamed, was count_b", ())]


def test_a_feature_that_replaces_another_is_a_removal_that_computes():
    other = replace(DELAYS.features[2], name="lateness_1d", default=0.5)
    renamed = replace(DELAYS, features=(*DELAYS.features[:2], other))
    change = change_to(renamed)
    assert (change.kind, change.old_version, change.new_version, change.computes) == ("removal", 1, 1, True)
    assert told(change) == [
        ("+", "aggregates.lateness_1d", "", "new feature", ()),
        ("-", "aggregates.late_rate_1d", "", "removed feature", ()),
    ]
    plan = plan_of(repo_of(CARRIER, ARRIVALS, renamed), state_of(*ALL[:3]))
    assert plan.to_json()["materialize"] == [{"view": "delays", "version": 1, "whole": False}]
    assert plan.to_json()["summary"]["change"] == 1


def test_a_source_that_becomes_parquet_keeps_values_and_shows_a_csv_option():
    def becoming_parquet(**options):
        csv = with_source(DELAYS, format="csv", path="a.csv", csv=CsvOptions(**options))
        state = state_of(CARRIER, csv.source, csv)
        plan = plan_of(repo_of(CARRIER, ARRIVALS, DELAYS), state)
        return {change.object: (change.kind, [reason[:4] for reason in told(change)]) for change in plan.changes}

    fields = [("~", "format", "csv", "parquet"), ("~", "path", "a.csv", "data/arrivals.parquet")]
    changes = becoming_parquet()
    assert changes["feature_view"] == ("unchanged", [])
    assert changes["source"] == ("metadata", [*fields, ("~", "csv.separator", ",", "-")])
    for texts, shown in (((), "none"), (("NA", ""), '"", "NA"')):
        kind, reasons = becoming_parquet(null_values=texts)["feature_view"]
        assert (kind, reasons) == ("breaking", [("~", "source.csv.null_values", shown, "-")])


def test_models_that_stay_are_named_together_and_rejected_ones_not_at_all():
    versions = (
        trained("late", 1, "delays", 1),
        trained("late", 3, "delays", 1),
        replace(trained("late", 4, "delays", 1), status="rejected"),
        trained("other", 2, "delays", 1),
        trained("third", 1, "latest", 1),
    )
    models = [replace(MODEL, name=name) for name in ("other", "third")]
    state = replace(state_of(*ALL, *models), model_versions=(*versions, trained("gone", 1, "delays", 1)))
    repo = repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL, *models)
    assert the_change(plan_of(repo, state)).notes == (
        "model late v1, v3 stay on delays@1 until they are retrained",
        "model other v2 stays on delays@1 until it is retrained",
    )


def test_what_people_say_of_a_view_recomputes_nothing():
    change = change_to(replace(DELAYS, about=About(owner="ana"), refresh_us=HOUR_US))
    assert (change.kind, change.new_version) == ("metadata", 1)
    assert [r[:4] for r in told(change)] == [("~", "owner", "-", "ana"), ("~", "refresh", "-", "1h")]


def test_a_sources_own_change_is_metadata_and_breaks_the_views_on_it():
    source = replace(ARRIVALS, timezone="Asia/Tokyo")
    views = [replace(view, source=source) for view in (DELAYS, LATEST)]
    model = replace(MODEL, spine=replace(MODEL.spine, source=source))
    plan = plan_of(repo_of(CARRIER, source, *views, model), state_of(*ALL))
    assert [(c.kind, c.object, c.name) for c in plan.changes[:3]] == [
        ("breaking", "feature_view", "delays"),
        ("breaking", "feature_view", "latest"),
        ("metadata", "source", "arrivals"),
    ]
    assert told(plan.changes[0])[0][:4] == ("~", "source.timezone", "UTC", "Asia/Tokyo")


def test_a_column_with_a_new_type_is_the_reason_and_an_equal_text_is_not():
    view = with_source(DELAYS, columns=COLUMNS | {"arr_delay": "int64"})
    view = replace(view, where=Expression(DELAYS.where.text))
    change = change_to(view)
    assert [r[1:4] for r in told(change)] == [("source.columns.arr_delay", "float64", "int64")]


def test_an_equal_expression_is_no_reason_beside_a_column_that_moved():
    columns = COLUMNS | {"arr_delay": "int64"}
    late = replace(LATE, expression=type_expression(LATE.expression.text, columns))
    source = replace(ARRIVALS, columns=columns, select=(late,), about=About(owner="ana"))
    declared = replace(source, columns_declared=True)
    before = replace(ARRIVALS, columns_declared=True)
    change = plan_of(repo_of(declared), state_of(before)).changes[0]
    assert [r[1:4] for r in told(change)] == [("columns.arr_delay", "float64", "int64"), ("owner", "-", "ana")]
    undeclared = plan_of(
        repo_of(replace(source, columns_declared=False)), state_of(replace(ARRIVALS, columns_declared=False))
    )
    assert told(undeclared.changes[0])[0][1] == "select.late"  # nothing else says that it moved


def test_a_password_that_was_applied_is_never_shown_and_another_is_noticed():
    def source(url):
        return replace(ARRIVALS, format="sql", path="", sql=SqlQuery(url=url, query="select 1"))

    first = source("postgresql://ana:s3cret@host/db")
    moved = plan_of(repo_of(source("postgresql://ana:0ther@host/db")), state_of(first)).changes[0]
    assert told(moved) == [("~", "sql.url", "postgresql://host/db", "postgresql://host/db", ())]
    named = plan_of(repo_of(source("${URL}")), state_of(first)).changes[0]
    assert told(named) == [("~", "sql.url", "postgresql://host/db", "${URL}", ())]


def test_a_model_s_change_tells_that_it_waits_for_the_next_training():
    model = replace(MODEL, trainer=replace(MODEL.trainer, params={"C": 0.5}))
    change = the_change(plan_of(repo_of(*ALL[:4], model), state_of(*ALL)))
    assert change.kind == "retrain"
    assert told(change) == [("~", "trainer.params.C", "1.0", "0.5", ())]
    assert change.notes == ("it takes effect when late is trained again",)
    about = the_change(plan_of(repo_of(*ALL[:4], replace(MODEL, about=About(owner="ana"))), state_of(*ALL)))
    assert (about.kind, about.notes) == ("metadata", ())
    inputs = the_change(plan_of(repo_of(*ALL[:4], replace(MODEL, inputs=MODEL.inputs[:1])), state_of(*ALL)))
    assert inputs.kind == "retrain"


def test_an_object_left_out_is_blocked_until_it_is_named():
    plan = plan_of(repo_of(*ALL[:3], MODEL), state_of(*ALL))
    change = the_change(plan)
    assert (change.kind, change.name, change.code, change.blocked) == (
        "removed",
        "latest",
        "FC401",
        "left out of the files",
    )
    assert plan.blocked == (change,)
    assert [(s.action, s.item.name, s.blocked) for s in plan.stages] == [("retire", "latest", True)]
    allowed = plan_of(repo_of(*ALL[:3], MODEL), state_of(*ALL), "latest")
    assert the_change(allowed).blocked == ""
    assert [(s.action, s.item.name, s.item.version) for s in allowed.stages] == [("retire", "latest", 1)]


def test_a_view_that_a_model_uses_names_it_when_it_is_left_out():
    state = replace(state_of(*ALL), model_versions=(trained("late", 1, "delays", 1),))
    plan = plan_of(repo_of(CARRIER, ARRIVALS, LATEST), state)
    blocked = {c.name: (c.code, c.blocked) for c in plan.changes if c.blocked}
    assert blocked["delays"] == ("FC412", "used by model late v1, model late")
    assert blocked["late"] == ("FC401", "left out of the files")
    plan = plan_of(repo_of(CARRIER, ARRIVALS, LATEST), state, "late")
    assert {c.name: c.blocked for c in plan.changes if c.blocked} == {"delays": "used by model late v1"}
    plan = plan_of(repo_of(CARRIER, ARRIVALS, LATEST), state, "late", "delays")
    assert [c.notes for c in plan.changes if c.name == "delays"] == [
        ("model late v1 stays on delays@1 until it is retrained",)
    ]


def test_a_model_that_drops_a_view_in_the_same_files_no_longer_uses_it():
    model = replace(MODEL, inputs=MODEL.inputs[1:])
    plan = plan_of(repo_of(CARRIER, ARRIVALS, LATEST, model), state_of(*ALL))
    assert {c.name: (c.code, c.blocked) for c in plan.changes if c.blocked} == {
        "delays": ("FC401", "left out of the files")
    }


def test_a_removal_of_what_is_not_removed_is_wrong_usage():
    with pytest.raises(UsageError, match="latst") as caught:
        plan_of(repo_of(*ALL[:3], MODEL), state_of(*ALL), "latst")
    assert caught.value.hint == 'did you mean "latest"?'
    with pytest.raises(UsageError):
        plan_of(repo_of(*ALL), state_of(*ALL), "latest")


def test_versions_go_on_after_a_removal_and_after_a_way_back():
    state = state_of(*ALL)
    other = replace(DELAYS, closed="both")
    state = applied(plan_of(repo_of(CARRIER, ARRIVALS, other, LATEST, MODEL), state), state)
    third = replace(DELAYS, closed="none")
    assert change_to(third, state).new_version == 3
    state = applied(plan_of(repo_of(CARRIER, ARRIVALS, LATEST), state, "delays", "late"), state)
    assert state.current("feature_view", "delays") is None
    back = plan_of(repo_of(CARRIER, ARRIVALS, third, LATEST, MODEL), state)
    assert [(c.kind, c.name, c.new_version) for c in back.changes if c.kind == "new"] == [
        ("new", "delays", 3),
        ("new", "late", 1),
    ]


def test_a_reverted_change_goes_back_to_the_version_that_means_the_same():
    other = replace(DELAYS, closed="both")
    state = applied(plan_of(repo_of(CARRIER, ARRIVALS, other, LATEST, MODEL), state_of(*ALL)), state_of(*ALL))
    assert state.current("feature_view", "delays").version == 2
    plan = plan_of(repo_of(CARRIER, ARRIVALS, DELAYS, LATEST, MODEL), state)
    change = the_change(plan)
    assert (change.kind, change.old_version, change.new_version, change.resumes) == ("breaking", 2, 1, True)
    assert plan.to_json()["materialize"] == [{"view": "delays", "version": 1, "whole": False, "resumes": True}]
    assert [(s.action, s.item.version) for s in plan.stages if s.item] == [("write", 1), ("retire", 2)]
    back = applied(plan, state)
    assert back.current("feature_view", "delays").version == 1
    again = the_change(plan_of(repo_of(CARRIER, ARRIVALS, other, LATEST, MODEL), back))
    assert (again.old_version, again.new_version, again.resumes) == (1, 2, True)


@pytest.mark.parametrize("is_other", [False, True])
def test_a_removed_view_that_comes_back_goes_on_unless_a_feature_differs(is_other):
    state = applied(plan_of(repo_of(CARRIER, ARRIVALS, LATEST), state_of(*ALL), "delays", "late"), state_of(*ALL))
    view = replace(DELAYS, features=DELAYS.features[:2]) if is_other else DELAYS
    (change,) = (c for c in plan_of(repo_of(CARRIER, ARRIVALS, view, LATEST), state).changes if c.name == "delays")
    assert (change.kind, change.new_version, change.resumes) == ("new", 2 if is_other else 1, not is_other)


def test_the_champion_of_the_version_that_is_reverted_is_asked_first():
    other = replace(DELAYS, closed="both")
    state = applied(plan_of(repo_of(CARRIER, ARRIVALS, other, LATEST, MODEL), state_of(*ALL)), state_of(*ALL))
    models = (trained("late", 1, "delays", 2, ["count_1d"]),)
    state = replace(state, model_versions=models, aliases={("late", "champion"): 1})
    change = the_change(plan_of(repo_of(*ALL), state))
    assert (change.new_version, change.code, change.allow) == (1, "FC413", "--allow-breaking delays")


def test_a_view_without_a_reason_is_unchanged_in_any_form_of_fingerprint():
    state = state_of(*ALL)
    old = [replace(o, features=dict.fromkeys(o.features, "an older form"), data="older") for o in state.objects]
    assert plan_of(repo_of(*ALL), replace(state, objects=tuple(old))).empty


def test_reasons_have_the_nearest_place_of_their_field():
    places = {
        ("feature_view", "delays"): Place("v.yaml", 1),
        ("feature_view", "delays", "where"): Place("v.yaml", 4, 5),
        ("feature_view", "delays", "aggregates", "count_1d"): Place("v.yaml", 7, 9),
        ("source", "arrivals", "timezone"): Place("s.yaml", 3, 2),
    }
    view = with_feature(with_source(replace(DELAYS, where=None, closed="both"), timezone="Asia/Tokyo"), "count_1d", n=3)
    repo = repo_of(CARRIER, ARRIVALS, view, LATEST, MODEL, places=places)
    change = the_change(plan_of(repo, state_of(*ALL)))
    assert {r.field: str(r.place) for r in change.reasons} == {
        "where": "v.yaml:4:5",
        "closed": "v.yaml:1",
        "source.timezone": "s.yaml:3:2",
        "aggregates.count_1d.n": "v.yaml:7:9",
    }


def test_an_entity_s_change_of_key_type_breaks_its_views():
    entity = Entity(name="carrier", keys={"carrier": "int64"})
    views = [replace(view, entity=entity) for view in (DELAYS, LATEST)]
    plan = plan_of(repo_of(entity, ARRIVALS, *views, MODEL), state_of(*ALL))
    assert [(c.kind, c.name) for c in plan.changes[:3]] == [
        ("breaking", "delays"),
        ("breaking", "latest"),
        ("metadata", "carrier"),
    ]


def test_a_view_that_a_champion_reads_changes_only_when_that_is_allowed():
    champion = replace(
        state_of(*ALL),
        model_versions=(trained("late", 1, "delays", 1, ["count_1d"]), trained("late", 2, "delays", 1, ["count_1d"])),
        aliases={("late", "champion"): 2},
    )
    repo = repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL)
    change = the_change(plan_of(repo, champion))
    assert (change.kind, change.blocked, change.code, change.allow) == (
        "breaking",
        "champion model late v2 reads it",
        "FC413",
        "--allow-breaking delays",
    )
    allowed = plan_repo(repo, champion, PlanRequest(environment="dev", allow_breaking=("delays",)))
    assert not allowed.blocked
    challenger = replace(champion, aliases={("late", "challenger"): 2})
    assert not plan_of(repo, challenger).blocked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"allow_remove": ("delays",)}, "--allow-remove delays: nothing of that name is being removed"),
        ({"allow_breaking": ("delay",)}, "--allow-breaking delay: nothing of that name has a breaking change"),
    ],
)
def test_a_name_that_allows_nothing_is_wrong_usage(options, said):
    repo = repo_of(CARRIER, ARRIVALS, replace(DELAYS, closed="both"), LATEST, MODEL)
    with pytest.raises(UsageError) as caught:
        plan_repo(repo, state_of(*ALL), PlanRequest(environment="dev", **options))
    assert caught.value.message == said


def test_types_that_can_not_be_read_any_more_are_named_with_the_way_out():
    known = with_source(LATEST, columns=COLUMNS)
    unseen = dict.fromkeys(COLUMNS, "unknown")
    after = with_source(LATEST, columns=unseen, path="${LAKE}/arrivals.parquet")
    change = the_change(plan_of(repo_of(CARRIER, after), state_of(CARRIER, known)))
    assert change.kind == "breaking"
    assert change.notes == ("the columns of arrivals can't be looked at from here: declare them under columns:",)
