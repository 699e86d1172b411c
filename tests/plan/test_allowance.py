"""Allowances of breaking changes: by a digest of all that the change does."""

from dataclasses import replace

import pytest

from featurectl.plan.plan import Change, ChangeReason, Plan
from featurectl.plan.reviewed_changes import allowed_options, merged_allowances, needed_allowances

REASON = ChangeReason(sign="~", field="aggregates.windows", old="[7d]", new="[30d]", features=("sum_7d",))
CHANGE = Change(
    kind="breaking",
    object="feature_view",
    name="delays",
    old_version=1,
    new_version=2,
    reasons=(REASON,),
    blocked="champion model late v1 reads it",
    code="FC413",
    allow="--allow-breaking delays",
)
PLAN = Plan(
    project="p", environment="prod", repo=".", commit="a", registry_id="r", serial=4, changes=(CHANGE,), stages=()
)


def test_what_is_needed_allows_it_whatever_the_serial_and_the_commit():
    needed = needed_allowances(PLAN)
    assert [(item.environment, item.what, item.name) for item in needed] == [("prod", "breaking", "delays")]
    later = replace(PLAN, serial=9, commit="b", registry_id="s")
    options = allowed_options(later, needed)
    assert options == ["--allow-breaking delays"]
    assert later.allowing(options).blocked == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, environment="dev"),
        replace(PLAN, project="q"),
        replace(PLAN, changes=(replace(CHANGE, new_version=3),)),
        replace(PLAN, changes=(replace(CHANGE, old_version=2),)),
        replace(PLAN, changes=(replace(CHANGE, name="late"),)),
        replace(PLAN, changes=(replace(CHANGE, reasons=(replace(REASON, new="[60d]"),)),)),
        replace(PLAN, changes=(replace(CHANGE, reasons=(REASON, replace(REASON, field="where"))),)),
        replace(PLAN, changes=(replace(CHANGE, reasons=(replace(REASON, features=()),)),)),
    ],
    ids=["environment", "project", "version", "from", "name", "value", "another reason", "features"],
)
def test_any_other_change_waits_again(other):
    assert allowed_options(other, needed_allowances(PLAN)) == []


def test_names_of_other_environments_stay_and_unused_ones_of_this_do_not():
    dev = needed_allowances(replace(PLAN, environment="dev"))
    old = needed_allowances(replace(PLAN, changes=(replace(CHANGE, new_version=7),)))
    assert merged_allowances([*dev, *old], PLAN) == (*dev, *needed_allowances(PLAN))
    free = PLAN.allowing(["--allow-breaking delays"])
    assert merged_allowances(needed_allowances(PLAN), free) == needed_allowances(PLAN)
