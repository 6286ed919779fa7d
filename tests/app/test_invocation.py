"""What an invocation sets is set back at its end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bids_labelx.app.invocation import environment, invocation_variables
from bids_labelx.files import INVOCATION


def test_variables_are_set_for_as_long_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELX_THERE", "before")
    monkeypatch.delenv("LABELX_NEW", raising=False)
    with suppress(ZeroDivisionError), environment({"LABELX_THERE": "now", "LABELX_NEW": "now"}):
        assert os.environ["LABELX_THERE"] == os.environ["LABELX_NEW"] == "now"
        raise ZeroDivisionError
    assert os.environ["LABELX_THERE"] == "before"
    assert "LABELX_NEW" not in os.environ


def test_a_user_without_a_name_has_a_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name() -> str:
        raise KeyError

    monkeypatch.delenv("LOGNAME", raising=False)
    monkeypatch.setattr("getpass.getuser", no_name)
    assert invocation_variables()["LOGNAME"] == f"uid{os.getuid()}"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("NO_ET", "yes")
    variables = invocation_variables()
    assert (variables["LOGNAME"], variables["NO_ET"]) == ("ann", "yes")


def test_no_two_invocations_have_the_same_token() -> None:
    one, other = (invocation_variables()[INVOCATION] for _ in range(2))
    assert one != other
    assert re.fullmatch(r"[0-9a-f]{12}\.[0-9a-f]{16}", one)


# The command, which prints how many threads it has when its libraries are loaded.
COUNTING = """
import os, sys
from bids_labelx.app import cli
def count():
    assert "scipy.linalg" in sys.modules
    names = [open(f"/proc/self/task/{one}/comm").read() for one in os.listdir("/proc/self/task")]
    # pandas loads pyarrow where it is installed, whose memory has a thread of its own.
    print(sum(not name.startswith("jemalloc") for name in names))
    sys.exit()
cli.import_pybids = count
cli.main(sys.argv[1:])
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="threads are looked up in /proc")
@pytest.mark.skipif(os.cpu_count() == 1, reason="there is a thread per core")
def test_no_more_threads_of_linear_algebra_are_started_than_are_asked_for(tmp_path: Path) -> None:
    def threads(*options: str) -> int:
        command = [sys.executable, "-c", COUNTING, str(tmp_path), str(tmp_path / "out")]
        done = subprocess.run(
            [*command, "participant", "--atlas", "a.nii", *options],
            env={k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert threads() == 1
    assert threads("--omp-nthreads", "2") > 1
