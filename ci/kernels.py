"""Which kernels of OpenBLAS this machine can compute with: kernels.py KERNEL [KERNEL ...].

Prints those that it can, one a line, without the one that it takes by itself; on standard error
it says what it takes, and of each other kernel why it is skipped. `OPENBLAS_CORETYPE` is a wish:
OpenBLAS takes another kernel where it was built without the one asked for, and one that the
processor lacks instructions for ends the process. So each is tried, in a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

# NumPy and SciPy may each bring an OpenBLAS of their own.
PROBE = """
import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_info

values = np.random.default_rng(0).standard_normal((200, 200))
for dtype in ("f4", "f8"):
    square = values.astype(dtype) @ values.astype(dtype)
    np.linalg.svd(square)
    linalg.qr(square, pivoting=True)
libraries = [one for one in threadpool_info() if one["internal_api"] == "openblas"]
print(*sorted({one["architecture"] for one in libraries}))
"""


def tried(kernel: str | None) -> tuple[list[str], str]:
    """The kernels that are taken where one is asked for, and why there are none."""
    wish = {} if kernel is None else {"OPENBLAS_CORETYPE": kernel}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env={**os.environ, **wish}, capture_output=True, text=True
    )
    if done.returncode < 0:
        return [], f"the processor cannot run it ({signal.Signals(-done.returncode).name})"
    if done.returncode:
        return [], (done.stderr.strip().splitlines() or ["an unknown error"])[-1]
    taken = done.stdout.split()
    return taken, "" if taken else "NumPy and SciPy compute without OpenBLAS"


def main(kernels: list[str]) -> int:
    """Print the kernels to compute with; 1 where nothing can be computed at all."""
    own, problem = tried(None)
    if problem:
        print(f"OpenBLAS: {problem}", file=sys.stderr)
        return 0 if "without" in problem else 1
    print(f"OpenBLAS takes {' and '.join(own)} by itself", file=sys.stderr)
    for kernel in kernels:
        if [kernel] == own:
            continue
        taken, problem = tried(kernel)
        if taken == [kernel]:
            print(kernel)
        else:
            why = problem or f"OpenBLAS takes {' and '.join(taken)} in its place"
            print(f"OpenBLAS kernel {kernel} is skipped: {why}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
