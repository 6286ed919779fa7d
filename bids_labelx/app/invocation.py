"""Environment variables and signal handlers for as long as the app runs."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bids_labelx.errors import Stopped
from bids_labelx.files import INVOCATION

# Seconds after which a stop that something swallowed is raised again.
_RAISED_AGAIN = 0.25


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and set them back at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def invocation_variables() -> dict[str, str]:
    """Environment variables of this invocation, in all of its processes.

    ``BIDS_LABELX_INVOCATION`` is its token, which its temporary files are named after. nipype
    would ask a server for its newest version without ``NO_ET``, and names jobs of clusters after
    ``LOGNAME``; where the user has set these, they stay.
    """
    # It imports more than --help has the time for.
    from bids_labelx.locks import new_token

    return {
        INVOCATION: new_token(),
        "NO_ET": os.environ.get("NO_ET", "1"),
        "LOGNAME": os.environ.get("LOGNAME") or _login_name(),
    }


@contextmanager
def without_users_settings(threads: int | None = None) -> Iterator[None]:
    """Keep settings of the user for libraries out, which would change or stop what the app does.

    matplotlib and nipype read them from the working folder, from the home folder, and from these
    variables: Jupyter, for one, sets ``MPLBACKEND`` to a backend that only it has. The working
    folder may not even be there any more.

    Parameters
    ----------
    threads
        That libraries for linear algebra which are loaded in it start. By default it is one per
        core, in this process and each that is forked from it, and all wait for work in a loop
        before they sleep.
    """
    variables = {
        "MPLBACKEND": "agg",
        "MATPLOTLIBRC": os.devnull,
        "NIPYPE_CONFIG_DIR": os.devnull,
    }
    if threads is not None:
        variables["OPENBLAS_NUM_THREADS"] = f"{threads}"
    if os.path.expanduser("~") == "~":  # noqa: PTH111
        # There is no home folder, which libraries take for an error.
        variables["HOME"] = os.devnull
    # By its handle, as a folder that was deleted has no name.
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir("/")
        with environment(variables):
            yield
    finally:
        os.fchdir(before)
        os.close(before)


def import_pybids() -> None:
    """Import pybids without the user's ``pybids_config.json``, and without a home folder."""
    with environment({"HOME": os.devnull, "PYBIDS_CONFIG": f"{os.devnull}/none"}):
        importlib.import_module("bids")


def _login_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `Stopped`.

    Libraries swallow exceptions of any kind in places: nipype those of a node that it runs in this
    process, Python those of finalizers. So it is raised again until it is being handled.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's, and whoever runs this in another one has their own way.
        yield
        return

    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop(number: int, _: object) -> None:
        # A second signal is not to cut short what the first one brings about.
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)

        def again(*_: object) -> None:
            if not _handling_stop(sys.exception()):
                raise Stopped(number)

        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, _RAISED_AGAIN, _RAISED_AGAIN)
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in (*numbers, signal.SIGALRM)}
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        # A signal in between would be handled half in our way, half in that from before.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        if signal.getsignal(signal.SIGALRM) is not before[signal.SIGALRM]:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _handling_stop(error: BaseException | None) -> bool:
    """Whether an exception that is being handled is `Stopped`, or came up while that was."""
    while error is not None:
        if isinstance(error, Stopped):
            return True
        error = error.__context__
    return False
