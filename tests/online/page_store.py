"""The store that a page shows, as it stands there."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from featurectl.online.base import OnlineStore

PAGE = Path(__file__).parents[2] / "docs/how-to/own-online-store.md"


@functools.cache
def page_module() -> ModuleType:
    """Return the only code of the page as a module."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    made = ModuleType("own_online_store")
    sys.modules[made.__name__] = made
    exec(compile(code, str(PAGE), "exec"), vars(made))  # noqa: S102  # our own page
    return made


def dictionary() -> Callable[[], OnlineStore]:
    """Return what opens a new store of the page, again and again the same."""
    module = page_module()
    shelf = module.Shelf()
    return lambda: module.open_dictionary(shelf)
