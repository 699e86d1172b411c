"""`dataclass`, as the standard library has it, made in a quarter of the time where it is frozen.

A command makes a hundred to three hundred of these classes before it does anything. The standard library compiles six
texts for each: here it is one, the initializer's, and the other methods are the same functions for all classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from functools import partial
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]
_FACTORY: Final = object()  # the default of an argument whose field has a factory
_set: Final = object.__setattr__


def _quick_dataclass(cls: type | None = None, /, *, frozen: bool = False, order: bool = False, **options: bool) -> Any:
    """Return a class as a dataclass, or what makes one of a class; with the options of the standard library.

    One that is frozen, and not ordered, is made here. It takes no `InitVar` and no option but `slots`, `kw_only`,
    `repr` and `eq`, and a dataclass that has it as a base is made here, too.
    """
    if cls is None:
        return lambda of: _quick_dataclass(of, frozen=frozen, order=order, **options)
    if not frozen or order:
        return dataclasses.dataclass(cls, frozen=frozen, order=order, **options)
    return _frozen(cls, **options)


def _frozen(
    cls: type,
    *,
    slots: bool = False,
    kw_only: bool = False,
    repr: bool = True,  # noqa: A002 (as the standard library names it)
    eq: bool = True,
) -> type:
    own = dict(vars(cls))
    cls.__doc__ = cls.__doc__ or cls.__name__  # a signature, which would take its place, takes long to find
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    found = fields(made)
    methods: dict[str, object] = {"__init__": _initializer(made, found)}
    methods |= _refusing(made, frozenset(field.name for field in found))
    if repr:
        methods["__repr__"] = _repr
    if eq:
        methods |= _comparing(found)
        own = {name: value for name, value in own.items() if (name, value) != ("__hash__", None)}  # beside an __eq__
    if slots:
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    return made


def _initializer(cls: type, found: tuple[Field[Any], ...]) -> Callable[..., None]:
    """Return what sets the fields of a new object, and then has it do what its class does after that."""
    known: dict[str, Any] = {"__set": _set, "__factory": _FACTORY}
    arguments: tuple[list[str], list[str]] = ["self"], []  # the second ones by keyword alone
    lines = []
    for field in found:
        argument, value = _argument(field)
        known[f"__of_{field.name}"] = field.default if field.default is not MISSING else field.default_factory
        if field.init:
            arguments[field.kw_only is True].append(argument)
        if value:
            lines.append(f"    __set(self, {field.name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    inside = ", ".join([*arguments[0], *(["*", *arguments[1]] if arguments[1] else [])])
    exec("\n".join([f"def __init__({inside}):", *(lines or ["    pass"])]), known)  # noqa: S102 (names of fields)
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {field.name: field.type for field in found if field.init} | {"return": None}
    return made


def _argument(field: Field[Any]) -> tuple[str, str]:
    """Return the argument of a field, and what its value is; none is what its class sets itself."""
    name, kept = field.name, f"__of_{field.name}"
    if field.default is not MISSING:
        return f"{name}={kept}", name if field.init else kept
    if field.default_factory is not MISSING:
        return f"{name}=__factory", f"{kept}() if {name} is __factory else {name}" if field.init else f"{kept}()"
    return name, name if field.init else ""


def _comparing(found: tuple[Field[Any], ...]) -> dict[str, object]:
    """Return how objects are compared and hashed by some of their fields, in their order."""
    compared = _values_of([field.name for field in found if field.compare])
    counted = _values_of([field.name for field in found if (field.compare if field.hash is None else field.hash)])

    def equal(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(counted(self))

    return {"__eq__": equal, "__hash__": hashed}


def _values_of(names: list[str]) -> Callable[[object], object]:
    """Return what gives some fields of an object as a tuple."""
    return attrgetter(*names) if len(names) > 1 else partial(_few_values, names)


def _few_values(names: list[str], of: object) -> tuple[object, ...]:
    return tuple([getattr(of, name) for name in names])


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{type(self).__qualname__}({shown})"


def _refusing(cls: Any, names: frozenset[str]) -> dict[str, object]:
    """Return what refuses changes of objects of a class, and of its fields in those of classes below it."""

    def set_attribute(self: object, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": set_attribute, "__delattr__": delete_attribute}


def _state(self: Any) -> list[object]:
    """Return what a pickle, or a copy, keeps of an object without a dictionary."""
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        _set(self, field.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _quick_dataclass
