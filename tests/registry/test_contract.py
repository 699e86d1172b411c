"""What every registry does, on SQLite and on PostgreSQL."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.core.units import instant_us
from featurectl.registry.base import HistoryEntry, Pin, RegistryChange
from featurectl.registry.state import BoundFeature, GateResult, ModelVersion, ObjectVersion, State
from tests.tombstones import tombstone

AT = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
VIEW = ObjectVersion(
    kind="feature_view",
    name="delays",
    version=1,
    definition={"keys": {"z": "string", "a": "int64"}, "text": "naïve ☃"},
    features={"count_1d": "f1", "mean_1d": "f2"},
    data="d",
    metadata="m",
)
ENTRY = HistoryEntry(serial=0, at=AT, who="ana@host", commit="3f2c1ab", command="apply", summary="1 added")
MOVED = HistoryEntry(
    serial=0, at=AT, who="eve@host", commit="", command="models promote", summary="late champion -> v2"
)
MODEL = ModelVersion(
    model="late",
    version=0,
    definition={"name": "late"},
    inputs=(
        BoundFeature(
            name="x", dtype="float64", model_dtype="float64", view="delays", view_version=1, feature="count_1d"
        ),
        BoundFeature(name="c", dtype="string", model_dtype="category", default="?", categories=("b", "a")),
    ),
    view_versions={"delays": 1},
    table_versions={"delays@1": 4},
    params={"depth": 7, "rate": 0.1, "deep": {"list": [1, None]}},
    metrics={"auc": 0.7625},
    label="is_late",
    rows_train=10,
    rows_validation=3,
    artifact="models/late/1/model.txt",
    artifact_format="lightgbm",
    artifact_bytes=12,
    artifact_sha256="ab",
    libraries={"lightgbm": "4.6"},
    code_commit="3f2c1ab",
    seed=7,
    created_at=AT,
    gates=(
        GateResult(name="min_auc", asked="at least 0.6", measured="0.7625"),
        GateResult(name="max_latency_p99_ms", asked="at most 10", measured="not measured", passed=None),
    ),
    importance={"x": 0.75, "c": 0.25},
    card="models/late/ab.md",
    card_sha256="cd",
    manifest={"rows": 13, "views": {"delays": {"version": 1}}},
)


def write(registry, state, *objects, retire=(), entry=ENTRY):
    return registry.write_change(state, RegistryChange(write=objects, retire=tuple(retire)), entry)


def test_an_unknown_project_is_empty(registry):
    assert registry.load_state("flights") == State(project="flights", registry_id="", serial=0)
    assert registry.read_history("flights") == ()


def test_reading_never_makes_a_project(registry):
    write(registry, registry.load_state("other"))
    registry.load_state("flights")
    written = write(registry, registry.load_state("other"))
    assert (registry.load_state("flights").serial, written.serial) == (0, 2)


def test_what_was_written_is_read_back(registry, open_registry):
    state = write(registry, registry.load_state("flights"), VIEW)
    assert state.serial == 1
    assert state.objects == (replace(VIEW, applied_at=AT),)
    assert list(state.objects[0].definition["keys"]) == ["z", "a"]
    assert open_registry().load_state("flights") == state


def test_a_registry_keeps_its_id(registry, open_registry):
    first = write(registry, registry.load_state("flights"))
    assert len(first.registry_id) == 36
    assert write(open_registry(), open_registry().load_state("other")).registry_id == first.registry_id


def test_a_version_keeps_the_instant_at_which_it_became_current(registry):
    later = [replace(ENTRY, at=AT + timedelta(hours=hours)) for hours in range(5)]
    second = replace(VIEW, version=2)
    state = write(registry, registry.load_state("flights"), VIEW, entry=later[0])
    state = write(registry, state, replace(VIEW, metadata="changed"), entry=later[1])
    assert [o.applied_at for o in state.objects] == [AT]
    state = write(registry, state, second, retire=[state.objects[0]], entry=later[2])
    assert [o.applied_at for o in state.objects] == [AT, later[2].at]
    state = write(registry, state, VIEW, retire=[state.objects[1]], entry=later[3])
    assert [(o.applied_at, o.current) for o in state.objects] == [(later[3].at, True), (later[2].at, False)]


def test_a_version_that_is_written_again_replaces_itself(registry):
    state = write(registry, registry.load_state("flights"), VIEW)
    state = write(registry, state, replace(VIEW, metadata="changed"))
    assert [(o.version, o.metadata) for o in state.objects] == [(1, "changed")]


def test_a_retired_version_keeps_its_definition_and_is_not_current(registry):
    state = write(registry, registry.load_state("flights"), VIEW)
    state = write(registry, state, replace(VIEW, version=2), retire=state.objects)
    assert [(o.version, o.current, o.definition) for o in state.objects] == [
        (1, False, VIEW.definition),
        (2, True, VIEW.definition),
    ]
    assert state.current("feature_view", "delays").version == 2


def test_a_state_that_is_no_longer_the_newest_is_refused(registry, open_registry):
    old = registry.load_state("flights")
    write(registry, old, VIEW)
    with pytest.raises(TryAgainError, match="serial 0 was read, 1 is there now"):
        write(open_registry(), old, replace(VIEW, name="lost"))
    state = registry.load_state("flights")
    assert (state.serial, [o.name for o in state.objects]) == (1, ["delays"])
    assert len(registry.read_history("flights")) == 1


def test_a_state_of_another_registry_is_refused(registry):
    state = write(registry, registry.load_state("flights"))
    with pytest.raises(TryAgainError):
        write(registry, replace(state, registry_id="another"), VIEW)


def test_a_failed_change_leaves_nothing(registry):
    state = write(registry, registry.load_state("flights"), VIEW)
    with pytest.raises(TypeError):
        write(registry, state, replace(VIEW, version=2), replace(VIEW, version=3, definition={"not": {"json"}}))
    assert registry.load_state("flights") == state


def test_projects_of_one_registry_do_not_see_each_other(registry):
    write(registry, registry.load_state("flights"), VIEW)
    registry.write_model_version("flights", MODEL, ["champion"])
    other = registry.load_state("other")
    assert (other.serial, other.objects, other.model_versions, other.aliases) == (0, (), (), {})
    assert write(registry, other, replace(VIEW, metadata="theirs")).serial == 1
    assert registry.load_state("flights").objects[0].metadata == "m"


def test_the_history_is_newest_first_and_says_who_when_and_from_what(registry):
    state = write(registry, registry.load_state("flights"), VIEW)
    later = replace(ENTRY, at=AT + timedelta(hours=1), who="ben@host", commit="", summary="nothing", plan='{"a": "☃"}')
    write(registry, state, entry=later)
    assert registry.read_history("flights") == (replace(later, serial=2), replace(ENTRY, serial=1))


def test_the_last_apply_is_the_newest_from_a_commit(registry):
    assert registry.read_last_apply("flights") is None
    state = write(registry, registry.load_state("flights"), VIEW, entry=replace(ENTRY, plan="{}"))
    state = write(registry, state, entry=replace(ENTRY, commit="9" * 40, command="materialize"))
    state = write(registry, state, entry=replace(ENTRY, commit=""))
    assert registry.read_last_apply("flights") == replace(ENTRY, serial=1)
    write(registry, state, entry=replace(ENTRY, commit="9" * 40 + "-dirty-2"))
    assert registry.read_last_apply("flights") == replace(ENTRY, serial=4, commit="9" * 40 + "-dirty-2")
    assert registry.read_last_apply("other") is None


def test_model_versions_are_numbered_and_read_back_whole(registry):
    first = registry.write_model_version("flights", MODEL, ["champion"])
    second = registry.write_model_version("flights", replace(MODEL, status="rejected"), [])
    assert (first, second) == (replace(MODEL, version=1), replace(MODEL, version=2, status="rejected"))
    state = registry.load_state("flights")
    assert state.model_versions == (first, second)
    assert state.aliases == {("late", "champion"): 1}
    assert state.serial == 2


def test_an_alias_moves_to_a_version_that_exists(registry):
    registry.write_model_version("flights", MODEL, ["champion"])
    registry.write_model_version("flights", MODEL, [])
    registry.write_alias("flights", "late", "champion", 2, MOVED)
    aliases = {("late", "champion"): 2, ("late", "previous"): 1}
    assert registry.load_state("flights").aliases == aliases
    with pytest.raises(UsageError, match="no version 3"):
        registry.write_alias("flights", "late", "champion", 3, MOVED)
    state = registry.load_state("flights")
    assert (state.aliases, state.serial) == (aliases, 3)
    assert len(registry.read_history("flights")) == 3


def test_the_history_tells_of_every_serial_also_of_models_and_aliases(registry):
    write(registry, registry.load_state("flights"), VIEW)
    registry.write_model_version("flights", MODEL, ["champion", "challenger"], "ben@host")
    registry.write_model_version("flights", replace(MODEL, status="rejected", code_commit=""), [])
    registry.write_alias("flights", "late", "champion", 2, MOVED)
    told = [(e.serial, e.at, e.who, e.commit, e.command, e.summary) for e in registry.read_history("flights")]
    assert told == [
        (4, AT, "eve@host", "", "models promote", "late champion -> v2"),
        (3, AT, "", "", "train", "late v2 (rejected)"),
        (2, AT, "ben@host", "3f2c1ab", "train", "late v1, champion -> v1, challenger -> v1"),
        (1, AT, "ana@host", "3f2c1ab", "apply", "1 added"),
    ]


def race(open_registry, count, work):
    """Run `work(registry, number)` in threads that begin together, each with its own registry; return what came."""
    gate, came = threading.Barrier(count), [None] * count

    def run(number):
        registry = open_registry()
        gate.wait()
        try:
            came[number] = work(registry, number)
        except TryAgainError as error:
            came[number] = error
        finally:
            registry.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def test_of_changes_from_one_state_one_wins_also_in_an_absent_registry(open_registry):
    empty = State(project="flights", registry_id="", serial=0)
    came = race(open_registry, 4, lambda registry, n: write(registry, empty, replace(VIEW, name=f"view_{n}")))
    won = [c for c in came if isinstance(c, State)]
    assert (len(won), sum(isinstance(c, TryAgainError) for c in came)) == (1, 3)
    assert open_registry().load_state("flights") == won[0]


def test_model_versions_registered_at_once_get_numbers_of_their_own(open_registry):
    came = race(open_registry, 4, lambda registry, _n: registry.write_model_version("flights", MODEL, []))
    assert sorted(c.version for c in came) == [1, 2, 3, 4]
    assert open_registry().load_state("flights").serial == 4


def test_of_versions_registered_at_once_exactly_one_gets_the_free_alias(open_registry):
    def register(registry, _):
        return registry.write_model_version("flights", MODEL, [], "ana@host", ["champion"])

    came = race(open_registry, 4, register)
    state = open_registry().load_state("flights")
    assert sorted(c.version for c in came) == [1, 2, 3, 4]
    assert state.aliases == {("late", "champion"): 1}
    told = [entry.summary for entry in reversed(open_registry().read_history("flights"))]
    assert told == ["late v1, champion -> v1", "late v2", "late v3", "late v4"]


def test_pins_are_kept_once_and_by_project(registry):
    pins = [
        Pin(view="delays", version=1, table_version=7, holder="a"),
        Pin(view="delays", version=1, table_version=7, holder="b"),
    ]
    assert registry.read_pins("flights") == ()
    registry.write_pins("flights", pins[:1])
    registry.write_pins("flights", pins)
    registry.write_pins("other", [])
    assert registry.read_pins("flights") == tuple(pins)
    assert registry.read_pins("other") == ()
    assert registry.load_state("flights").serial == 0


def test_columns_of_view_versions_are_kept_by_project_the_newest(registry):
    assert registry.read_view_columns("flights") == {}
    registry.write_view_columns("flights", {("delays", 1): {"a": "int64"}, ("delays", 2): {"a": "string"}})
    registry.write_view_columns("flights", {("delays", 1): {"a": "float64", "b": "bool"}})
    assert registry.read_view_columns("flights") == {
        ("delays", 1): {"a": "float64", "b": "bool"}, ("delays", 2): {"a": "string"},
    }  # fmt: skip
    assert registry.read_view_columns("other") == {}
    assert registry.load_state("flights").serial == 0


def retired(registry, *numbers):
    state = registry.load_state("flights")
    chosen = [version for version in state.model_versions if version.version in numbers]
    registry.retire_models(state, chosen, replace(MOVED, command="models retire", summary="late retired"))


def test_a_retired_version_is_read_back_so_with_an_entry_of_history(registry, open_registry):
    for _ in range(3):
        registry.write_model_version("flights", MODEL, [], claims=["champion"])
    retired(registry, 2, 3)
    state = open_registry().load_state("flights")
    assert [version.status for version in state.model_versions] == ["registered", "retired", "retired"]
    assert state.model_version("late", 2) == replace(MODEL, version=2, status="retired")
    assert (state.serial, registry.read_history("flights")[0].command) == (4, "models retire")


def test_versions_are_retired_only_of_the_state_that_was_read(registry):
    for _ in range(2):
        registry.write_model_version("flights", MODEL, [], claims=["champion"])
    state = registry.load_state("flights")
    registry.write_aliases("flights", "late", {"champion": 2}, MOVED)
    with pytest.raises(TryAgainError, match="has changed: serial 2 was read, 3 is there now"):
        registry.retire_models(state, state.model_versions[1:], MOVED)
    assert {version.status for version in registry.load_state("flights").model_versions} == {"registered"}


def test_no_alias_points_at_a_retired_version(registry):
    for _ in range(2):
        registry.write_model_version("flights", MODEL, [], claims=["champion"])
    retired(registry, 2)
    with pytest.raises(UsageError, match="model late version 2 is retired"):
        registry.write_aliases("flights", "late", {"champion": 2}, MOVED)
    assert registry.load_state("flights").aliases == {("late", "champion"): 1}


def test_pins_of_a_view_version_are_taken_away(registry):
    pins = [Pin(view="delays", version=n, table_version=4, holder="manifest ab") for n in (1, 2)]
    registry.write_pins("flights", pins)
    registry.remove_pins("flights", "delays", 1)
    assert tuple(registry.read_pins("flights")) == (pins[1],)


def test_erased_keys_are_known_by_their_hashes_and_numbers_grow(registry, open_registry):
    secret = registry.erasure_secret("flights")
    assert (len(secret), open_registry().erasure_secret("flights")) == (32, secret)
    assert registry.erasure_secret("other") != secret
    assert not registry.load_state("flights").erasures
    assert registry.newest_erasure("flights") == 0
    items = [tombstone("carrier", ["id"], [key], AT, secret=secret) for key in ("a", "b")]
    written = registry.write_tombstones("flights", items, replace(ENTRY, command="erase", summary="2 keys"))
    assert [t.digest for t in written] == [items[0].digest, items[1].digest]
    assert [t.number for t in written] == [instant_us(written[0].at), instant_us(written[0].at) + 1]
    assert all(t.at > AT and t.done_at is None for t in written)
    state = open_registry().load_state("flights")
    assert (state.serial, state.erasures.secret, state.erasures.tombstones) == (1, secret, written)
    assert (registry.newest_erasure("flights"), registry.newest_erasure("other")) == (written[1].number, 0)
    assert [e.summary for e in registry.read_history("flights")] == ["2 keys"]
    assert registry.load_state("other").erasures.tombstones == ()


def test_a_key_that_is_erased_again_is_erased_until_then(registry):
    secret = registry.erasure_secret("flights")
    item = tombstone("carrier", ["id"], ["a"], AT, secret=secret)
    [first] = registry.write_tombstones("flights", [item], ENTRY)
    registry.finish_erasures("flights", [first.number])
    assert registry.load_state("flights").erasures.tombstones[0].done_at >= first.at
    [again] = registry.write_tombstones("flights", [item], ENTRY)
    assert again.number > first.number
    erasures = registry.load_state("flights").erasures
    assert [(t.number, t.done_at is None) for t in erasures.tombstones] == [(first.number, False), (again.number, True)]
    assert erasures.erased_until("carrier", {"id": "a"}) == again.at
    [third] = registry.write_tombstones("flights", [item], ENTRY)
    undone = [t.number for t in registry.load_state("flights").erasures.tombstones if t.done_at is None]
    assert undone == [third.number]


def test_a_clock_that_goes_back_gives_no_number_twice(registry, open_registry):
    secret = registry.erasure_secret("flights")
    item = tombstone("carrier", ["id"], ["a"], AT, secret=secret)
    numbers = []
    for clock in (AT, AT - timedelta(hours=1), AT):
        numbers += [t.number for t in open_registry(lambda now=clock: now).write_tombstones("flights", [item], ENTRY)]
    assert numbers == sorted(set(numbers))
