"""The digest of a state: equal for equal states in any order of rows, moved by any change."""

import json
from cProfile import Profile
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import StoreError
from featurectl.registry.rows import load_canary, load_model_version, model_document
from featurectl.registry.state import GateResult, ModelVersion, ObjectVersion, State
from tests.registry.test_canaries import RUN
from tests.registry.test_contract import MODEL, VIEW, write
from tests.seeds import examples

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = st.text(alphabet='ab",[]{}\\☃\n', max_size=4)
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | NAMES,
                      lambda v: st.lists(v, max_size=2) | st.dictionaries(NAMES, v, max_size=2),
                      max_leaves=4)  # fmt: skip
OBJECTS = st.builds(
    ObjectVersion,
    kind=st.sampled_from(["entity", "source", "feature_view", "model"]),
    name=NAMES,
    version=st.integers(1, 3),
    definition=st.dictionaries(NAMES, VALUES, max_size=3),
    features=st.dictionaries(NAMES, NAMES, max_size=3),
    data=NAMES,
    metadata=NAMES,
    applied_at=st.none() | st.just(AT),
    current=st.booleans(),
)
MODELS = st.builds(replace, st.just(MODEL), model=NAMES, version=st.integers(1, 3), seed=st.integers(0, 2))
CANARIES = st.builds(
    replace, st.just(RUN), number=st.integers(1, 3), state=st.sampled_from(["running", "aborted"]), reason=NAMES
)
STATES = st.builds(
    State,
    project=NAMES,
    registry_id=NAMES,
    serial=st.integers(0, 3),
    objects=st.lists(OBJECTS, max_size=4).map(tuple),
    model_versions=st.lists(MODELS, max_size=3).map(tuple),
    aliases=st.dictionaries(st.tuples(NAMES, NAMES), st.integers(1, 3), max_size=3),
    canaries=st.lists(CANARIES, max_size=2).map(tuple),
)


def shuffled(state, seed):
    """The same state, its rows and aliases in another order, read from another registry."""
    draw = Random(seed)
    objects, models, aliases = list(state.objects), list(state.model_versions), list(state.aliases.items())
    for rows in (objects, models, aliases):
        draw.shuffle(rows)
    return replace(
        state, registry_id="other", objects=tuple(objects), model_versions=tuple(models), aliases=dict(aliases)
    )


def said(value):
    """A value as something that is equal exactly when a state says the same: with types, and keys in order."""
    if isinstance(value, dict):
        return ("keys", [(said(key), said(item)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return [said(item) for item in value]
    if isinstance(value, State):
        rows = sorted(repr(said(row)) for row in (*value.objects, *value.model_versions, *value.canaries))
        return (value.project, value.serial, rows, sorted(value.aliases.items()))
    if isinstance(value, ObjectVersion | ModelVersion):
        return [said(getattr(value, field.name)) for field in fields(value)]
    return repr(value)


@settings(max_examples=examples(40))
@given(STATES, st.integers())
def test_the_order_of_rows_and_the_registry_do_not_count(state, seed):
    assert shuffled(state, seed).digest() == state.digest()


@given(STATES, STATES)
def test_states_have_one_digest_exactly_when_they_say_the_same(one, other):
    assert (one.digest() == other.digest()) == (said(one) == said(other))


def other_value(value):
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case tuple():
            return value[:-1]
        case dict():
            return value | {"x": 1}
        case datetime():
            return value + timedelta(microseconds=1)
        case _:
            raise AssertionError(value)


def test_each_field_of_each_row_moves_the_digest():
    gate = GateResult(name="min_auc", asked="at least 0.6", measured="0.7")
    view, model = replace(VIEW, applied_at=AT), replace(MODEL, version=1, gates=(gate,))
    state = State(
        project="p", registry_id="r", serial=4, objects=(view,), model_versions=(model,), aliases={("late", "c"): 1}
    )
    changed = [replace(state, project="q"), replace(state, serial=5), replace(state, aliases={("late", "c"): 2})]
    changed += [replace(state, aliases={("late", "d"): 1}), replace(state, aliases={}), replace(state, objects=())]
    for field in fields(view):
        item = replace(view, **{field.name: other_value(getattr(view, field.name))})
        changed.append(replace(state, objects=(item,)))
    for field in fields(model):
        version = replace(model, **{field.name: other_value(getattr(model, field.name))})
        changed.append(replace(state, model_versions=(version,)))
    for field in fields(model.inputs[0]):
        value = "x" if field.name in ("default", "categories") else other_value(getattr(model.inputs[0], field.name))
        inputs = (replace(model.inputs[0], **{field.name: value}), *model.inputs[1:])
        changed.append(replace(state, model_versions=(replace(model, inputs=inputs),)))
    for field in fields(gate):
        gates = (replace(gate, **{field.name: other_value(getattr(gate, field.name))}),)
        changed.append(replace(state, model_versions=(replace(model, gates=gates),)))
    digests = [item.digest() for item in (state, *changed)]
    assert len(set(digests)) == len(digests)


def test_the_order_of_an_entitys_keys_moves_the_digest():
    keys = {"z": "string", "a": "int64"}
    states = [
        State(project="p", registry_id="r", serial=1, objects=(replace(VIEW, definition={"keys": order}),))
        for order in (keys, dict(reversed(keys.items())))
    ]
    assert states[0].digest() != states[1].digest()


def test_what_is_read_back_has_the_digest_of_what_was_written(registry, open_registry):
    state = write(registry, registry.load_state("flights"), VIEW, replace(VIEW, name="b"))
    registry.write_model_version("flights", MODEL, ["champion"])
    read = open_registry().load_state("flights")
    assert read.digest() == registry.load_state("flights").digest()
    written = replace(
        state,
        serial=2,
        objects=tuple(replace(VIEW, name=name, applied_at=AT.replace(microsecond=250_000)) for name in ("b", "delays")),
        model_versions=(replace(MODEL, version=1),),
        aliases={("late", "champion"): 1},
    )
    assert read.digest() == written.digest()


def test_the_work_for_a_digest_grows_with_objects_and_not_their_values():
    definition = {"columns": {f"column_{n}": "float64" for n in range(20)}, "text": "x" * 2_500}
    features = {f"feature_{n}": f"{n:064x}" for n in range(20)}
    views = tuple(replace(VIEW, name=f"v{n}", definition=definition, features=features) for n in range(200))
    counted = Profile()
    counted.runcall(State(project="p", registry_id="r", serial=1, objects=views).digest)
    calls = sum(entry.callcount for entry in counted.getstats())
    assert calls < 50 * len(views)  # a view has over 80 values


OTHER_SHAPES = ["[]", "{}", "null", '"x"', "5", '{"created_at": "x", "inputs": [], "gates": []}', '{"told": 5}']


@pytest.mark.parametrize("document", OTHER_SHAPES)
@pytest.mark.parametrize("load", [load_model_version, load_canary])
def test_a_document_of_another_shape_is_an_error_of_the_registry(load, document):
    with pytest.raises(StoreError) as caught:
        load(document)
    assert caught.value.code == "FC601"


@pytest.mark.parametrize("path", [(), ("inputs", 0), ("gates", 0)])
def test_a_model_version_of_a_newer_featurectl_says_to_upgrade(path):
    gate = GateResult(name="auc", passed=True, asked=">= 0.8", measured="0.9")
    document = json.loads(model_document(replace(MODEL, gates=(gate,))))
    inner = document
    for step in path:
        inner = inner[step]
    inner["signed_by"] = "ana"
    with pytest.raises(StoreError, match="'signed_by'") as caught:
        load_model_version(json.dumps(document))
    assert (caught.value.code, "upgrade" in caught.value.hint, "backup" in caught.value.hint) == ("FC604", True, False)
