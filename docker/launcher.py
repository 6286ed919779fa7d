#!/usr/local/bin/python3 -IXutf8
"""The image's `bids_labelx`: starts the app the same way whoever the user is.

An engine may bring along the caller's environment, take the home folder away or mount everything
read-only; Apptainer does all of it. The variables that it brings win over those of the image, so
what must not depend on the caller is set here. With ``-I`` the interpreter itself has taken
nothing of it.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

HOME = "/home/bids_labelx"
TEMPLATEFLOW = "/opt/templateflow"
FONT_CACHE = Path("/opt/matplotlib")
FIXED = {
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "NIPYPE_CONFIG_DIR": "/opt/nipype",
    "NO_ET": "1",
}


def is_folder(name: str | None) -> bool:
    """Whether there is such a folder; one that may not even be looked at is none."""
    try:
        return bool(name) and Path(name).is_dir()
    except OSError:
        return False


def usable(folder: str) -> bool:
    """Whether files can be made in a folder."""
    return is_folder(folder) and os.access(folder, os.W_OK | os.X_OK)


def settle() -> None:
    """Make the environment, which workers inherit, one that nothing of the caller's can break."""
    for name in list(os.environ):
        if name.startswith(("PYTHON", "MATPLOTLIB", "MPL")):
            del os.environ[name]
    os.environ |= FIXED
    if not is_folder(os.environ.get("HOME")):
        os.environ["HOME"] = HOME
    # The caller's folder of atlases is welcome where it is mounted.
    if not is_folder(os.environ.get("TEMPLATEFLOW_HOME")):
        os.environ["TEMPLATEFLOW_HOME"] = TEMPLATEFLOW
    # Shared memory is the last resort: it is small under Docker, and writable everywhere.
    places = (os.environ.get("TMPDIR") or "/tmp", "/tmp", "/var/tmp", "/dev/shm")
    os.environ["TMPDIR"] = next(filter(usable, places), "/tmp")


def lend_font_cache() -> None:
    """Give matplotlib a copy of the font cache that it can write to, as it insists on that."""
    folder = tempfile.mkdtemp(prefix="bids_labelx-fonts-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(FONT_CACHE, folder, dirs_exist_ok=True)
    os.environ["MPLCONFIGDIR"] = folder


if __name__ == "__main__":
    # The first process of a container gets no signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    settle()
    try:
        lend_font_cache()
    except OSError:
        # Without it the app still runs, if it can at all.
        os.environ["MPLCONFIGDIR"] = str(FONT_CACHE)
    from bids_labelx.app.cli import run_and_exit

    run_and_exit()
