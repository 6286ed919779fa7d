"""What `ci/bench` runs: each row in fresh processes, ours and the peer's in turn, the median of 3.

The table says: what · ours · peer · ratio · peak memory of both · the bar, and whether it held.
`--quick` takes a small run once, to see that the benchmark itself works; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from bench_measure import Measured, Row
from bench_rows import all_rows

FULL: dict[str, Any] = {
    "shape": (99, 117, 95),
    "n_volumes": 300,
    "n_labels": (100, 400, 1000),
    "n_subjects": 500,
    "n_results": 1000,
    "n_dense": 1200,
    "n_gifti": 652,
    "n_maps": (1024, 128),
    "n_permuted": (1000, 400, 5000),
}
QUICK: dict[str, Any] = {
    "shape": (20, 24, 18),
    "n_volumes": 60,
    "n_labels": (10, 20, 30),
    "n_subjects": 4,
    "n_results": 5,
    "n_dense": 40,
    "n_gifti": 20,
    "n_maps": (30, 10),
    "n_permuted": (20, 10, 50),
}


def make_data(folder: Path, **size: Any) -> None:
    """Load what makes the data only in the process that makes them."""
    from bench_data import make_data
    from bench_maps import make_map_data
    from bench_surfaces import make_surface_data

    dense, gifti, maps = size.pop("n_dense"), size.pop("n_gifti"), size.pop("n_maps")
    size.pop("n_permuted")
    make_data(folder, **size)
    make_map_data(folder, size["shape"], size["n_volumes"], maps)
    make_surface_data(folder, dense, gifti, size["n_labels"])


def middle(measured: Sequence[Measured]) -> Measured | None:
    """Median of times and greatest memory; None where there is nothing."""
    if not measured:
        return None
    return Measured(
        median(one.seconds for one in measured),
        max(one.memory for one in measured),
        median(one.cpu for one in measured),
        max(one.size for one in measured),
    )


def run_row(row: Row, repeats: int, judge: bool) -> str:
    """A line of the table: all sides in turn, as often as asked for."""
    sides = (row.ours, row.peer, row.gunzip)
    taken: list[list[Measured]] = [[], [], []]
    for _ in range(repeats):
        for measure, results in zip(sides, taken, strict=True):
            if measure is not None:
                results.append(measure())
    ours, peer, gunzip = map(middle, taken)
    assert ours is not None
    cells = [row.what, f"{ours.seconds:.2f} s", "", "", f"{ours.memory:.0f} MB", ""]
    if peer is not None:
        cells[2] = f"{row.peer_name} {peer.seconds:.2f} s"
        cells[3] = f"{peer.seconds / ours.seconds:.1f} ×"
        cells[5] = f"{peer.memory:.0f} MB"
    if judge:
        cells.append("; ".join(bar.verdict(ours, peer, gunzip) for bar in row.bars))
    else:
        cells.append("")
    return f"| {' | '.join(cells)} |"


def processor() -> str:
    """The processor's architecture, and its name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join([platform.machine(), *names[:1]])


def main() -> None:
    """Make the data, run the rows, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--only", nargs="+", metavar="WORDS", help="rows whose name has any of these"
    )
    options = parser.parse_args()
    size, repeats = (QUICK, 1) if options.quick else (FULL, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child's peak memory starts at what its parent has.
        maker = get_context("spawn").Process(target=make_data, args=(folder,), kwargs=size)
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the data could not be made")
        run = folder / "int16.nii.gz"
        print(
            f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
            f"a run of {' × '.join(map(str, size['shape']))} × {size['n_volumes']}, "
            f"{run.stat().st_size / 1e6:.0f} MB as int16 .nii.gz; {size['n_subjects']} "
            f"participants to index; median of {repeats}\n"
        )
        print("| what | ours | peer | ratio | our peak memory | the peer's | bar |")
        print("|---|---|---|---|---|---|---|")
        for row in all_rows(folder, size):
            if options.only is None or any(words in row.what for words in options.only):
                print(run_row(row, repeats, judge=not options.quick), flush=True)


if __name__ == "__main__":
    main()
