"""What `ci/bench` runs: each row in fresh processes, ours and the peer's in turn, the median of 3.

The table says: what · ours · peer · ratio · peak memory of both. `--quick` takes a small run once,
to see that the benchmark itself works; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip
from scipy.spatial import cKDTree

FULL = ((99, 117, 95), 300, 3)
QUICK = ((20, 24, 18), 60, 1)
T_R = 2.0

# Runs a snippet and prints its seconds and the peak memory of its process in MB.
WRAPPER = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
{imports}
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

OURS = "from bids_labelx import NiftiLabelsMasker, MultiNiftiLabelsMasker"
THEIRS = "from nilearn.maskers import NiftiLabelsMasker, NiftiMasker"


@dataclass(frozen=True)
class Row:
    """One row: the same work by us and by a peer, as snippets with their imports."""

    what: str
    ours: tuple[str, str]
    peer: tuple[str, str] | None
    peer_name: str = "nilearn"


def write_run(path: Path, shape: tuple[int, int, int], n_volumes: int, dtype: str) -> None:
    """A head-like run: a brain with contrast, drift and noise, and a darker scalp around it."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    radius = sum(axis**2 for axis in axes)
    brain, head = radius < 0.75, radius < 0.88
    base = np.where(brain, 900 + 200 * np.cos(6 * axes[0]) * np.cos(5 * axes[1]), 300)
    spread = np.where(brain, 30, 15)
    header = nib.Nifti1Image(np.zeros((1, 1, 1, 1), dtype), np.diag([2.0, 2, 2, 1])).header
    header.set_data_shape((*shape, n_volumes))
    header.set_zooms((2, 2, 2, T_R))
    header["vox_offset"] = 352
    start = io.BytesIO()
    header.write_to(start)
    with igzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as stream:
        stream.write(start.getvalue() + b"\0" * 4)
        for t in range(n_volumes):
            noise = spread * rng.standard_normal(shape) + 10 * np.sin(t / 20)
            volume = np.where(head, base + noise, 0).astype(dtype)
            stream.write(volume.tobytes(order="F"))


def write_labels(path: Path, shape: tuple[int, int, int], n_labels: int) -> None:
    """Labels as blobs: the nearest of random centres."""
    rng = np.random.default_rng(n_labels)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.75
    points = np.column_stack([axis[inside] for axis in axes])
    centres = points[rng.choice(len(points), n_labels, replace=False)]
    labels = np.zeros(shape, np.int16)
    labels[inside] = cKDTree(centres).query(points)[1] + 1
    nib.save(nib.Nifti1Image(labels, np.diag([2.0, 2, 2, 1])), path)
    mask = nib.Nifti1Image(inside.astype(np.uint8), np.diag([2.0, 2, 2, 1]))
    nib.save(mask, path.with_name("mask.nii.gz"))


def make_data(folder: Path, shape: tuple[int, int, int], n_volumes: int) -> None:
    """All files that the rows read."""
    n_labels = (100, 400, 1000) if n_volumes > 100 else (10, 20, 30)
    for name, count in zip("abc", n_labels, strict=True):
        write_labels(folder / f"{name}.nii.gz", shape, count)
    write_run(folder / "int16.nii.gz", shape, n_volumes, "<i2")
    write_run(folder / "float32.nii.gz", shape, n_volumes, "<f4")
    write_run(folder / "float32.nii", shape, n_volumes, "<f4")
    write_run(folder / "long.nii.gz", shape, 4 * n_volumes, "<i2")
    confounds = np.random.default_rng(1).standard_normal((n_volumes, 36)).cumsum(axis=0)
    np.savetxt(folder / "confounds.csv", confounds, delimiter=",")


def masker_row(folder: Path, what: str, run: str, options: str, cleaned: bool = False) -> Row:
    """The same masker call by us and by nilearn."""
    given = ", confounds=table" if cleaned else ""
    table = "import numpy as np\ntable = np.loadtxt({0!r}, delimiter=',')\n"
    load = table.format(str(folder / "confounds.csv")) if cleaned else ""
    body = (
        f"masker = NiftiLabelsMasker({str(folder / 'b.nii.gz')!r}, "
        f"mask_img={str(folder / 'mask.nii.gz')!r}{options})\n"
        f"masker.fit_transform({str(folder / run)!r}{given})"
    )
    return Row(what, (f"{load}{OURS}", body), (f"{load}{THEIRS}", body))


def core_row(folder: Path, what: str, peer_times: int) -> Row:
    """Three atlases in one pass, beside nilearn's masker once for each."""
    run, mask = str(folder / "int16.nii.gz"), str(folder / "mask.nii.gz")
    images = [str(folder / f"{name}.nii.gz") for name in "abc"]
    imports = (
        "import numpy as np\n"
        "from bids_labelx.extraction.stream import open_volumes, read_volume\n"
        "from bids_labelx.extraction.reduce import find_regions, reduce_volumes"
    )
    body = (
        f"inside = read_volume({mask!r})[1] > 0\n"
        f"labels = [read_volume(path)[1].astype(np.int64) for path in {images}]\n"
        "regions = [find_regions(one, np.unique(one)[1:], inside) for one in labels]\n"
        f"reduce_volumes(open_volumes({run!r}), regions, ['mean'], uncovered='exclude')"
    )
    theirs = (
        f"for path in {images[:peer_times]}:\n"
        f"    NiftiLabelsMasker(path, mask_img={mask!r}).fit_transform({run!r})"
    )
    return Row(what, (imports, body), (THEIRS, theirs))


def gunzip_row(folder: Path) -> Row:
    run = str(folder / "int16.nii.gz")
    body = (
        f"with igzip.open({run!r}) as stream:\n"
        "    piece = memoryview(bytearray(1 << 20))\n"
        "    while stream.readinto1(piece): pass"
    )
    theirs = f"with gzip.open({run!r}) as stream:\n    while stream.read(1 << 20): pass"
    what = "bare gunzip of the int16 file"
    return Row(what, ("from isal import igzip", body), ("import gzip", theirs), "zlib")


def all_rows(folder: Path) -> list[Row]:
    """The rows of the table."""
    cleaning = f", detrend=True, low_pass=0.1, high_pass=0.01, t_r={T_R}"
    return [
        gunzip_row(folder),
        masker_row(folder, "one atlas, mean", "int16.nii.gz", ""),
        masker_row(folder, "one atlas, mean, cleaned", "int16.nii.gz", cleaning, cleaned=True),
        core_row(folder, "three atlases", 3),
        masker_row(folder, "float32 .nii.gz", "float32.nii.gz", ""),
        masker_row(folder, "float32 .nii", "float32.nii", ""),
        masker_row(folder, "median", "int16.nii.gz", ", strategy='median'"),
        masker_row(
            folder, "standard deviation", "int16.nii.gz", ", strategy='standard_deviation'"
        ),
        masker_row(folder, "smoothing 6 mm", "int16.nii.gz", ", smoothing_fwhm=6"),
        Row(
            "one atlas, four times the volumes",
            masker_row(folder, "", "long.nii.gz", "").ours,
            None,
        ),
    ]


def measure(snippet: tuple[str, str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a snippet in a fresh process."""
    code = WRAPPER.format(imports=snippet[0], body=snippet[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"a benchmark failed:\n{code}\n{done.stderr}")
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), float(memory)


def help_seconds() -> float:
    """Seconds of `bids_labelx --help`, process and all."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "bids_labelx", "--help"], capture_output=True, check=True
    )
    return time.perf_counter() - start


def run_row(row: Row, repeats: int) -> str:
    """A line of the table."""
    ours, peers = [], []
    for _ in range(repeats):
        ours.append(measure(row.ours))
        if row.peer is not None:
            peers.append(measure(row.peer))
    seconds = statistics.median(one[0] for one in ours)
    memory = f"{max(one[1] for one in ours):.0f} MB"
    if not peers:
        return f"| {row.what} | {seconds:.2f} s | | | {memory} | |"
    theirs = statistics.median(one[0] for one in peers)
    their_memory = f"{max(one[1] for one in peers):.0f} MB"
    return (
        f"| {row.what} | {seconds:.2f} s | {row.peer_name} {theirs:.2f} s | "
        f"{theirs / seconds:.1f} × | {memory} | {their_memory} |"
    )


def main() -> None:
    """Make the data, run the rows, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    shape, n_volumes, repeats = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child's peak memory starts at what its parent has.
        maker = get_context("spawn").Process(target=make_data, args=(folder, shape, n_volumes))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the data could not be made")
        size = (folder / "int16.nii.gz").stat().st_size / 1e6
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
            f"a run of {' × '.join(map(str, (*shape, n_volumes)))}, {size:.0f} MB as int16 "
            f".nii.gz; median of {repeats}\n"
        )
        print("| what | ours | peer | ratio | our peak memory | the peer's |")
        print("|---|---|---|---|---|---|")
        for row in all_rows(folder):
            print(run_row(row, repeats), flush=True)
    seconds = statistics.median(help_seconds() for _ in range(repeats))
    print(f"| `--help` | {seconds:.2f} s | | | | |")


if __name__ == "__main__":
    main()
