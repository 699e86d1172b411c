"""Have numba compile the loops over lists of streams, and keep them: `python -m featurectl.serving.compile_lists`.

A server starts it; who builds an image whose folders can't be written later does, too.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from featurectl.online.stream_state.compiled.loading import load_loops

COMPILER: Final = ("-P", "-m", "featurectl.serving.compile_lists")  # words for Python; -P: no module of the folder
_LESS: Final = 10  # than what a server answers meanwhile

if __name__ == "__main__":
    os.nice(_LESS)
    loops = load_loops()
    sys.exit(loops if isinstance(loops, str) else 0)
