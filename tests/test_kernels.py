"""Which kernels of OpenBLAS ci/test computes with, on machines that are made up."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "ci" / "kernels.py"
# Its own kernel is Own; Good can be asked for, too, and Newer has instructions that it lacks.
MACHINE = """
import os, signal
kernel = os.environ.get("OPENBLAS_CORETYPE")
if kernel == "Newer":
    os.kill(os.getpid(), signal.SIGILL)
print({"Good": "Good", "Half": "Good Half"}.get(kernel, "Own"))
"""


@pytest.fixture
def chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[list[str], str]]:
    """What is printed for some kernels on a machine, and what is said beside it."""
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)

    def choose(machine: str, *kernels: str) -> tuple[list[str], str]:
        script: dict[str, Any] = runpy.run_path(str(SCRIPT))
        script["main"].__globals__["PROBE"] = machine
        assert script["main"](list(kernels)) == 0
        printed = capsys.readouterr()
        return printed.out.split(), printed.err

    return choose


def test_a_kernel_that_is_taken_is_chosen_and_the_own_one_is_not_repeated(chosen: Any) -> None:
    kernels, said = chosen(MACHINE, "Own", "Good")
    assert kernels == ["Good"]
    assert said == "OpenBLAS takes Own by itself\n"


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        ("Newer", "the processor cannot run it (SIGILL)"),
        ("Absent", "OpenBLAS takes Own in its place"),
        # NumPy and SciPy bring different ones.
        ("Half", "OpenBLAS takes Good and Half in its place"),
    ],
)
def test_a_kernel_that_is_skipped_has_its_reason(chosen: Any, kernel: str, reason: str) -> None:
    kernels, said = chosen(MACHINE, kernel, "Good")
    assert kernels == ["Good"]
    assert said.splitlines()[1] == f"OpenBLAS kernel {kernel} is skipped: {reason}"


def test_without_openblas_there_is_none_and_it_is_said(chosen: Any) -> None:
    assert chosen("print()", "Good") == (
        [],
        "OpenBLAS: NumPy and SciPy compute without OpenBLAS\n",
    )


def test_the_machine_s_own_kernel_is_found_in_earnest(chosen: Any) -> None:
    probe = runpy.run_path(str(SCRIPT))["PROBE"]
    kernels, said = chosen(probe, "NoSuchKernel")
    assert kernels == []
    assert said.startswith(("OpenBLAS takes ", "OpenBLAS: NumPy and SciPy compute without"))
