"""The parameters that a boosting library knows beyond its Python signatures, from the C API of its shared library.

`validate` needs them without importing the library, which takes a second; loading the shared library takes 5 ms.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

_LIGHTGBM_BYTES: Final = 1 << 20
_XGBOOST: Final[tuple[Mapping[str, str], ...]] = (  # settings that between them bring out every parameter
    {"booster": "dart", "tree_method": "exact"},
    {"booster": "gblinear", "updater": "coord_descent", "feature_selector": "greedy"},
    {"objective": "reg:tweedie"},
    {"objective": "reg:pseudohubererror"},
    {"objective": "reg:quantileerror", "quantile_alpha": "0.5"},
    {"objective": "rank:ndcg"},
    {"objective": "survival:aft"},
)
_XGBOOST_UNSET: Final = frozenset({"num_class", "quantile_alpha", "extmem_single_page", "use_rmm"})


@cache
def native_params(package: str) -> frozenset[str] | None:
    """Return the names and aliases that the library of a package takes as keyword arguments.

    None: it is not one of those libraries, or its shared library can't be asked.
    """
    read = _READERS.get(package)
    file = None if read is None else _shared_library(package)
    if read is None or file is None:
        return None
    try:
        return read(ctypes.CDLL(str(file))) or None
    except (OSError, AttributeError, ValueError):  # it can't be loaded, lacks a function, or gives no JSON
        return None


def _shared_library(package: str) -> Path | None:
    """Return the shared library of a package, which stands in its folder or, with conda, in the environment's."""
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    places = [folder / below for folder in folders for below in ("lib", "bin", ".")]
    names = [f"lib_{package}.so", f"lib{package}.so", f"lib_{package}.dylib", f"lib{package}.dylib"]
    names += [f"lib_{package}.dll", f"{package}.dll"]
    found = (place / name for place in [*places, Path(sys.prefix) / "lib"] for name in names)
    return next((path for path in found if path.is_file()), None)


def _lightgbm(library: ctypes.CDLL) -> frozenset[str]:
    length, buffer = ctypes.c_int64(0), ctypes.create_string_buffer(_LIGHTGBM_BYTES)
    if library.LGBM_DumpParamAliases(ctypes.c_int64(_LIGHTGBM_BYTES), ctypes.byref(length), buffer):
        return frozenset()
    aliases = json.loads(buffer.value)
    return frozenset([*aliases, *(alias for others in aliases.values() for alias in others)])


def _xgboost(library: ctypes.CDLL) -> frozenset[str]:
    found = {name for settings in _XGBOOST for name in _xgboost_config(library, settings)}
    return frozenset(found | _XGBOOST_UNSET) if found else frozenset()


def _xgboost_config(library: ctypes.CDLL, settings: Mapping[str, str]) -> Iterator[str]:
    """Yield the names in the configuration of a booster without rows."""
    handle, length, text = ctypes.c_void_p(), ctypes.c_uint64(0), ctypes.c_char_p()
    if library.XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(handle)):
        return
    try:
        for name, value in {"verbosity": "0", "num_feature": "1", **settings}.items():
            library.XGBoosterSetParam(handle, name.encode(), value.encode())
        if not library.XGBoosterSaveJsonConfig(handle, ctypes.byref(length), ctypes.byref(text)):
            yield from _leaves(json.loads(text.value or b"{}"))
    finally:
        library.XGBoosterFree(handle)


def _leaves(node: object) -> Iterator[str]:
    """Yield the names of the texts in a document: parameters, and not the parts that they stand in."""
    if isinstance(node, dict):
        yield from (name for name, value in node.items() if isinstance(value, str))
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _leaves(item)


_READERS: Final[Mapping[str, Callable[[ctypes.CDLL], frozenset[str]]]] = {"lightgbm": _lightgbm, "xgboost": _xgboost}
