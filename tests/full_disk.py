"""A process that runs a command on a disk that is full: `python -m tests.full_disk BYTES WORD...`.

No file can be made longer than so many bytes. That is a limit that every user may set, and what libraries get then is
what a full disk gives them: a write that fails, in the middle of a file (EFBIG for ENOSPC).
"""

from __future__ import annotations

import resource
import signal
import sys

from featurectl.cli.main import main

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    sys.exit(main(sys.argv[2:]))
