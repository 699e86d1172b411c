from dataclasses import replace

import pytest

from featurectl.core.units import DAY_US
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About
from featurectl.language.definitions.view import Feature
from featurectl.language.syntax.place import Place
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.plan.external_state import ExternalState
from featurectl.render.plan import render_plan, render_plan_markdown, render_summary
from featurectl.render.renamed_inputs import fold_renamed_inputs
from tests.definitions import ARRIVALS, CARRIER, COUNT, DELAYS, LATEST, MODEL, expression, with_feature
from tests.plan.states import EMPTY, applied, plan_of, repo_of, state_of, trained

LONG = " + ".join(["arr_delay"] * 8)
REQUEST = PlanRequest(environment="prod", repo="./feature_repo", commit="3f2c1ab")
OLD = replace(LATEST, name="old_scores")
PLACES = {
    ("feature_view", "delays"): Place("views/delays.yaml", 3, 5),
    ("feature_view", "delays", "where"): Place("views/delays.yaml", 9, 5),
    ("feature_view", "delays", "aggregates", "count_30d"): Place("views/delays.yaml", 19, 9),
}


def everything():
    """A plan with each kind of change."""
    state = state_of(CARRIER, ARRIVALS, DELAYS, OLD, replace(LATEST, name="more"), MODEL)
    models = (trained("late", 3, "delays", 1), trained("late", 1, "old_scores", 1))
    state = replace(state, serial=41, model_versions=models)
    more = replace(COUNT, name="count_30d", window_us=30 * DAY_US)
    delays = replace(
        DELAYS, where=expression("arr_delay > 0 and arr_delay < 100000000 and carrier <> 'AA' and origin <> 'JFK'")
    )
    delays = with_feature(replace(delays, features=(*delays.features, more)), "late_rate_1d", default=0.5)
    added = Feature(name="again", op="latest", column="arr_delay", dtype="float64")
    grown = replace(LATEST, name="more", features=(*LATEST.features, added))
    source = replace(ARRIVALS, about=About(owner="growth"))
    repo = repo_of(CARRIER, source, delays, LATEST, grown, MODEL, places=PLACES)
    return plan_repo(repo, state, REQUEST)


WHOLE = """\
featurectl plan   repo ./feature_repo (3f2c1ab)  ->  prod registry, serial 41

  ~ view   delays      breaking  v1 -> v2
      ~ where                             arr_delay is not null -> arr_delay > 0 and arr_delay < 100000000 and carrier <> 'A...   views/delays.yaml:9:5    changes 4 features
      ~ aggregates.late_rate_1d.default   - -> 0.5                                                                                views/delays.yaml:3:5    changes 1 feature
      + aggregates count_30d              new feature                                                                             views/delays.yaml:19:9
      ! model late v3 stays on delays@1 until it is retrained
  ~ view   more        additive  v1
      + features again   new feature
  + view   latest      new       v1
  ~ source arrivals    metadata  owner: - -> growth
  - view   old_scores  BLOCKED   used by model late v1   (FC412; --allow-remove old_scores)
      ! model late v1 stays on old_scores@1 until it is retrained

Plan: 1 to add, 3 to change (1 breaking), 1 to remove (1 blocked), 2 unchanged.
After apply, materialize computes delays@2, latest@1, more@1 (new features)."""  # noqa: E501  # lines of a file or a screen

MARKDOWN = """\
### featurectl plan: prod

Plan: 1 to add, 3 to change (1 breaking), 1 to remove (1 blocked), 2 unchanged.

| | object | change | why |
|---|---|---|---|
| `~` | view `delays` | **breaking** v1 -> v2 | `where`: `arr_delay is not null` -> `arr_delay > 0 and arr_delay < 100000000 and carrier <> 'A...` (changes 4 features)<br>`aggregates.late_rate_1d.default`: - -> `0.5` (changes 1 feature)<br>`aggregates count_30d`: new feature<br>**model late v3 stays on delays@1 until it is retrained** |
| `~` | view `more` | **additive** v1 | `features again`: new feature |
| `+` | view `latest` | **new** v1 |  |
| `~` | source `arrivals` | **metadata** | `owner`: - -> `growth` |
| `-` | view `old_scores` | **BLOCKED** v1 | used by model late v1 (FC412; `--allow-remove old_scores`) |

After apply, `materialize` computes delays@2, latest@1, more@1 (new features)."""  # noqa: E501  # lines of a file or a screen


def test_every_kind_of_change_is_drawn():
    assert render_plan(everything().to_json()) == WHOLE


def test_the_markdown_says_the_same():
    assert render_plan_markdown(everything().to_json()) == MARKDOWN


def test_nothing_to_do_is_one_line():
    plan = plan_of(repo_of(CARRIER, ARRIVALS), state_of(CARRIER, ARRIVALS)).to_json()
    assert render_plan(plan) == "No changes. dev matches the files (2 objects)."
    assert render_plan_markdown(plan) == "### featurectl plan: dev\n\nNo changes. dev matches the files (2 objects)."


def test_fields_of_metadata_stand_in_a_column_and_a_removal_says_no_more():
    state = state_of(CARRIER, ARRIVALS, OLD)
    source = replace(ARRIVALS, about=About(owner="growth", tags=("b", "a")))
    plan = plan_of(repo_of(CARRIER, source), state, "old_scores")
    assert (
        render_plan(plan.to_json())
        == """\
featurectl plan   repo .  ->  dev registry, serial 1

  ~ source arrivals    metadata
      ~ owner   - -> growth
      ~ tags    - -> a, b
  - view   old_scores  removed   v1

Plan: 0 to add, 1 to change, 1 to remove, 1 unchanged."""
    )


def test_a_feature_that_is_left_out_is_drawn_as_one():
    state = state_of(CARRIER, ARRIVALS, DELAYS)
    plan = plan_of(repo_of(CARRIER, ARRIVALS, replace(DELAYS, derived=())), state)
    assert "  ~ view   delays  removal  v1\n      - derived trend   removed feature\n" in render_plan(plan.to_json())


def test_text_is_drawn_from_the_json_alone():
    plan = plan_of(repo_of(CARRIER), EMPTY)
    state = applied(plan, EMPTY)
    document = plan.to_json()
    assert document["stages"] == [
        {"action": "write", "object": "entity", "name": "carrier", "version": 1, "blocked": False}
    ]
    assert render_plan(document).endswith("Plan: 1 to add, 0 to change, 0 to remove, 0 unchanged.")
    assert plan_of(repo_of(CARRIER), state).to_json()["unchanged"] == ["entity:carrier"]


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("carrier <> 'a b'", "carrier <> 'a  b'", "carrier <> 'a b' -> carrier <> 'a  b'"),
        (f"{LONG} > 1", f"{LONG} > 2", "...delay + arr_delay > 1 -> ...delay + arr_delay > 2"),
        (
            f"{LONG[:48]}1234567 > 0 and origin = 'JFK'",
            f"{LONG[:48]}1234568 > 0 and origin = 'JFK'",
            "...+ arr_delay + 1234567 > 0 and origin = 'JFK' -> ...+ arr_delay + 1234568 > 0 and origin = 'JFK'",
        ),
        (
            f"{LONG} > 0",
            f"{LONG[:57]} > 0 and {LONG} < 5",
            (
                "...r_delay + arr_delay + arr_delay + arr_delay + arr_dela... -> "
                "...r_delay + arr_delay > 0 and arr_delay + arr_delay + ar..."
            ),
        ),
    ],
)
def test_two_values_that_begin_alike_are_shown_from_where_they_differ(old, new, shown):
    before = state_of(CARRIER, ARRIVALS, replace(DELAYS, where=Expression(old)))
    text = render_plan(
        plan_repo(repo_of(CARRIER, ARRIVALS, replace(DELAYS, where=Expression(new))), before, REQUEST).to_json()
    )
    assert f"~ where   {shown}" in text


def test_what_is_missing_outside_is_listed_beside_changes_or_alone():
    state = state_of(CARRIER, ARRIVALS, LATEST)
    for about, change in (
        (About(), ""),
        (About(owner="ana"), "| `~` | source `arrivals` | **metadata** | `owner`: - -> `ana` |\n"),
    ):
        request = replace(REQUEST, external=ExternalState(online=frozenset(), offline=False))
        plan = plan_repo(repo_of(CARRIER, replace(ARRIVALS, about=about), LATEST), state, request).to_json()
        table = (
            "| | object | change | why |\n|---|---|---|---|\n"
            f"{change}"
            "| `+` | offline folder | **create** | missing |\n"
            "| `+` | online table `latest@1` | **create** | missing |"
        )
        assert render_plan_markdown(plan) == f"### featurectl plan: prod\n\n{render_summary(plan)}\n\n{table}"
        assert "  + create offline folder   (missing)\n  + create online table latest@1   (missing)\n" in render_plan(
            plan
        )


def test_of_many_missing_things_the_first_are_listed_and_the_rest_counted():
    views = [replace(LATEST, name=f"latest_{number:02}") for number in range(12)]
    request = replace(REQUEST, external=ExternalState(online=frozenset(), offline=True))
    plan = plan_repo(repo_of(CARRIER, ARRIVALS, *views), state_of(CARRIER, ARRIVALS, *views), request).to_json()
    rows = render_plan_markdown(plan).splitlines()[-2:]
    assert rows == [
        "| `+` | online table `latest_09@1` | **create** | missing |",
        "| `+` | 2 more | **create** | missing |",
    ]
    assert "latest_09@1   (missing)\n  ... and 2 more\n" in render_plan(plan)


def test_a_plan_from_an_older_history_is_drawn():
    document = everything().to_json()
    newer = render_plan(document)
    del document["summary"]["blocked_breaking"]
    assert render_plan(document) == newer


def test_what_would_steer_a_terminal_stands_as_an_escape():
    state = state_of(CARRIER, ARRIVALS)
    source = replace(ARRIVALS, about=About(description="\x1b[2Jgone\r\u202eevil\x9b", owner="ann\x07"))
    plan = plan_of(repo_of(CARRIER, source), state).to_json()
    for text in (render_plan(plan), render_plan_markdown(plan)):
        assert "\\x1b[2Jgone\\r\\u202eevil\\x9b" in text
        assert "ann\\x07" in text
        assert all(char.isprintable() or char == "\n" for char in text)


def test_inputs_of_other_names_alone_are_one_reason_and_others_are_not():
    def reason(field, old, new):
        return {"sign": "~", "field": field, "old": old, "new": new, "place": "m.yaml:3:5", "features": []}

    def plan(came):
        gone = "v:a (user: user) as int64"
        return [
            reason("features", "a, x, b", "c, x, d"),
            reason("features.c", "-", came),
            reason("features.d", "-", "w:d (user: user) as bool"),
            reason("features.a", gone, "-"),
            reason("features.b", "w:b (user: user) as bool", "-"),
            reason("owner", "ana", "bob"),
        ]

    folded = fold_renamed_inputs(plan("v:c (user: user) as int64"))
    assert [(each["field"], each["new"]) for each in folded] == [("features", "a -> c, b -> d"), ("owner", "bob")]
    for other in ("v:c (user: user) as bool", "w:c (user: user) as int64", "v:c (user: buyer) as int64"):
        assert fold_renamed_inputs(plan(other)) == plan(other)


def test_how_the_key_of_a_renamed_input_is_selected_is_not_said_again():
    def reason(field, old, new):
        return {"sign": "~", "field": field, "old": old, "new": new, "place": "m.yaml:3:5", "features": []}

    def plan(select):
        return [
            reason("features", "a", "c"),
            reason("features.c", "-", "v:c (user: user) as int64"),
            reason("features.c.select.user", "-", select),
            reason("features.a", "v:a (user: user) as int64", "-"),
            reason("features.a.select.user", '"User ID"', "-"),
        ]

    assert [each["field"] for each in fold_renamed_inputs(plan('"User ID"'))] == ["features"]
    assert len(fold_renamed_inputs(plan('"Buyer ID"'))) == 3
