"""Run a command that must not outlive whoever started it: `guard.py COMMAND ...`.

It ends with the standard input, which closes however the parent ends, kill -9 included.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Run the command in a group of its own, and end the whole group."""
    child = subprocess.Popen(
        sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True
    )
    threading.Thread(target=_end_with_stdin, args=(child.pid,), daemon=True).start()
    sys.exit(child.wait())


def _end_with_stdin(group: int) -> None:
    while os.read(0, 4096):
        pass
    os.killpg(group, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
