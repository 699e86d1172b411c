"""A frozen dataclass of ours is what the standard library makes; a class takes one compiled text, not six."""

import builtins
import copy
import dataclasses
import inspect
import math
import pickle
from dataclasses import field
from typing import ClassVar, Generic, TypeVar

import pytest

from featurectl.core.dataclass import dataclass

T = TypeVar("T")
OPTIONS = [
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True, "kw_only": True, "repr": False},
    {"frozen": True, "slots": True, "eq": False},
    {"slots": True, "kw_only": True},
    {"frozen": True, "slots": True, "order": True},
]


def made(decorator, **options):
    """Return a class with fields of each kind, as a decorator makes it."""

    @decorator(**options)
    class Thing:
        """What is compared."""

        known: ClassVar[int] = 3
        name: str
        number: float = 1.0
        many: tuple[str, ...] = ()
        table: dict[str, int] = field(default_factory=dict, compare=False)
        hidden: int = field(default=0, repr=False)
        noted: int = field(default=0, hash=False)
        seen: int = field(default=1, compare=False, hash=True)
        last: bool = field(default=False, kw_only=True)
        size: int = field(init=False)
        at: list[int] = field(default_factory=list, init=False, compare=False)
        other: int = field(default=7, init=False)

        def __post_init__(self):
            object.__setattr__(self, "size", len(self.name))

    return Thing


def outcome(call, *arguments, **named):
    """Return what a call returns, or the type and the text of what it raises."""
    try:
        return call(*arguments, **named)
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


def told(cls):
    """Return all that is seen of a class and its objects."""
    one, same = cls(name="a", table={"x": 1}), cls(name="a", last=False)
    other = dataclasses.replace(one, name="bc", many=("x",), last=True)
    texts = [repr(thing).split(" object at")[0] for thing in (one, other)]
    return {
        "texts": texts,
        "equal": (one == same, one == other, one == 1, one != other, cls(name="a", number=math.nan) == one),
        "hashed": outcome(hash, one) == outcome(hash, same) if cls.__eq__ is object.__eq__ else outcome(hash, one),
        "data": dataclasses.asdict(other),
        "copies": [dataclasses.asdict(made) for made in (copy.copy(other), copy.deepcopy(other))],
        "ordered": isinstance(outcome(lambda: one < other), bool),
        "fields": [(f.name, f.type, f.init, f.kw_only, f.compare, f.repr) for f in dataclasses.fields(cls)],
        "arguments": [(p.name, p.kind, p.annotation) for p in inspect.signature(cls).parameters.values()],
        "matched": cls.__match_args__,
        "room": hasattr(one, "__dict__"),
        "set": outcome(setattr, copy.copy(one), "name", "z"),
        "deleted": outcome(delattr, copy.copy(one), "name"),
        "too few": outcome(cls),
        "too many": outcome(cls, name="a", more=1),
        "by place": outcome(lambda: dataclasses.asdict(cls("a", 2.0))),
        "doc": cls.__doc__,
    }


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_it_is_seen_as_what_the_standard_library_makes(options):
    assert told(made(dataclass, **options)) == told(made(dataclasses.dataclass, **options))


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    first: T
    second: T | None = None


@dataclass(frozen=True, slots=True)
class Named(Pair[str]):
    name: str = ""

    def __repr__(self):
        return self.name


@dataclass(frozen=True)
class Alone:
    only: float

    def __eq__(self, other):
        return isinstance(other, Alone)

    def __hash__(self):
        return 4


@dataclass(frozen=True)
class Empty:
    pass


def test_objects_go_through_pickles_and_methods_of_their_own_stay():
    named = Named("a", name="it")
    assert pickle.loads(pickle.dumps(named)) == named  # noqa: S301 (our own bytes)
    assert (repr(named), repr(Pair(1))) == ("it", "Pair(first=1, second=None)")
    assert Named("a") != Pair("a")
    assert Alone(1.0) == Alone(2.0)
    assert {Alone(1.0), Alone(2.0), Empty(), Empty()} == {Alone(1.0), Empty()}
    inner = [Pair(1)]
    inner.append(Pair(inner))
    assert repr(inner[1]) == "Pair(first=[Pair(first=1, second=None), ...], second=None)"


@pytest.mark.parametrize("value", [math.nan, 1.0])
def test_the_one_field_of_a_class_is_equal_to_itself(value):
    @dataclass(frozen=True)
    class One:
        value: float

    assert One(value) == One(value)
    assert hash(One(value)) == hash((value,))


@pytest.mark.parametrize(
    ("decorator", "slots"),
    [(dataclass, False), (dataclass, True), (dataclasses.dataclass, False)],  # with slots that of 3.11 has a bug there
)
def test_a_plain_class_below_has_attributes_of_its_own_beside_fields(decorator, slots):
    class Plain(made(decorator, frozen=True, slots=slots)):
        pass

    plain = Plain("a")
    plain.more = 1
    del plain.more
    assert not hasattr(plain, "more")
    refused = [outcome(setattr, plain, "name", "b"), outcome(delattr, plain, "name")]
    assert [kind for kind, _ in refused] == [dataclasses.FrozenInstanceError] * 2
    assert plain.name == "a"


@pytest.mark.parametrize("option", ["weakref_slot", "unsafe_hash", "match_args", "init"])
def test_an_option_that_is_not_known_is_refused(option):
    with pytest.raises(TypeError, match=option):
        dataclass(frozen=True, **{option: True})(type("Thing", (), {}))


def test_a_class_takes_one_compiled_text(monkeypatch):
    texts, run = [], builtins.exec
    monkeypatch.setattr(builtins, "exec", lambda text, *spaces: (texts.append(text), run(text, *spaces)))
    made(dataclass, frozen=True, slots=True, kw_only=True)
    with_methods = [text for text in texts if not text.endswith("return ()")]  # Python 3.13 compiles one of no method
    assert len(with_methods) == 1
