"""What `ci/soak` compares with: a direct computation, and the reasons that broken runs fail for.

Nothing here is the package's: means over voxels, least squares and correlations by numpy.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import small_study
from small_study import ATLASES, MOTION, SHAPE, TAILS, SmallRun, region_names, write_image

# By strategy, as desc- calls it: the columns of white matter and CSF, and the limit of FD in mm.
STRATEGIES: Mapping[str, tuple[tuple[str, ...], float]] = {
    "raw": ((), np.inf),
    "simple": (("csf", "white_matter"), np.inf),
    "scrubbing5": (tuple(n + t for n in ("csf", "white_matter") for t in TAILS), 0.5),
}
_MIN_SEGMENT = 5


def expected_series(run: SmallRun, atlas: str, strategy: str) -> np.ndarray:
    """The series of an atlas' regions in the order of its table, (n_kept, n_regions).

    NaN where less than half of a region is inside the mask.
    """
    labels = small_study.atlas_labels(ATLASES[atlas])
    values = run.stored * small_study.SLOPE
    columns = []
    for name in region_names(atlas):
        inside = (labels == 10 * int(name.split("_")[1])) & run.mask
        share = inside.sum() / (labels == 10 * int(name.split("_")[1])).sum()
        mean = values[inside].mean(axis=0)
        columns.append(mean if share >= 0.5 else np.full(values.shape[-1], np.nan))
    series = np.column_stack(columns)
    if strategy == "raw":
        return series
    tissue, limit = STRATEGIES[strategy]
    cosines = tuple(name for name in run.confounds if name.startswith("cosine"))
    names = (*cosines, *(n + t for n in MOTION for t in TAILS), *tissue)
    regressors = np.column_stack([run.confounds[name] for name in names])
    # A difference has no value in the first volume and gets that of the second.
    unknown = np.isnan(regressors[0])
    regressors[0, unknown] = regressors[1, unknown]
    kept = run.confounds["non_steady_state_outlier00"] == 0
    kept &= ~_scrubbed(run.confounds["framewise_displacement"] > limit)
    chosen = regressors[kept]
    spread = chosen.std(axis=0)
    chosen = (chosen - chosen.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    known = np.isfinite(series[0])
    found = series[kept]
    weights, *_ = np.linalg.lstsq(chosen, found[:, known], rcond=None)
    found[:, known] -= chosen @ weights
    return found


def _scrubbed(over: np.ndarray) -> np.ndarray:
    """Volumes over the limit, and those in stretches between them that are too short."""
    out, start = over.copy(), 0
    for k in range(len(over) + 1):
        if k == len(over) or over[k]:
            if 0 < k - start < _MIN_SEGMENT and over.any():
                out[start:k] = True
            start = k + 1
    return out


def read_table(path: Path, skip: int = 0) -> tuple[list[str], np.ndarray]:
    """The header and the numbers of a TSV, NaN for n/a; `skip` columns are left out in front."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t")[skip:] for line in lines]
    numbers = [[np.nan if cell == "n/a" else float(cell) for cell in row] for row in cells]
    return header.split("\t")[skip:], np.array(numbers)


def difference(names: list[str], found: np.ndarray, atlas: str, expected: np.ndarray) -> str:
    """How a series, or matrix, is not what is expected, in words; empty where it is."""
    if names != region_names(atlas):
        return f"the regions are {', '.join(names)}"
    if found.shape != expected.shape:
        return f"the shape is {found.shape}, {expected.shape} is expected"
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return "other regions are missing"
    # Nine digits are written; least squares by another way differ in the last ones.
    scale = np.nanmax(np.abs(expected), initial=1e-12)
    off = float(np.nanmax(np.abs(found - expected), initial=0) / scale)
    return "" if off < 1e-5 else f"off by {off:.2g} of the largest value"


def correlations(series: np.ndarray) -> np.ndarray:
    """Pearson correlations, NaN for a region without a series."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(series.T)


class Fault(NamedTuple):
    """How a participant's files are broken, what is then said, and which strategies are done."""

    spoil: Callable[[Mapping[str, Path], SmallRun], None]
    said: str
    done: tuple[str, ...] = ()


def _truncate(paths: Mapping[str, Path], _: SmallRun) -> None:
    content = paths["bold"].read_bytes()
    paths["bold"].write_bytes(content[: len(content) // 2])


def _flip(paths: Mapping[str, Path], _: SmallRun) -> None:
    content = bytearray(paths["bold"].read_bytes())
    content[len(content) * 2 // 3] ^= 8
    paths["bold"].write_bytes(content)


def _unfetched(paths: Mapping[str, Path], _: SmallRun) -> None:
    paths["bold"].unlink()
    paths["bold"].symlink_to("../../.git/annex/objects/XX/YY/MD5E-s1--0.nii.gz")


def _three_dimensions(paths: Mapping[str, Path], run: SmallRun) -> None:
    write_image(paths["bold"], run.stored[..., 0])


def _other_grid(paths: Mapping[str, Path], _: SmallRun) -> None:
    write_image(paths["mask"], np.ones((SHAPE[0] - 1, *SHAPE[1:]), np.uint8))


def _empty_mask(paths: Mapping[str, Path], _: SmallRun) -> None:
    write_image(paths["mask"], np.zeros(SHAPE, np.uint8))


def _flipped_mask(paths: Mapping[str, Path], run: SmallRun) -> None:
    content = bytearray(gzip.compress(run.mask.astype(np.uint8).tobytes()))
    content[len(content) // 2] ^= 255
    paths["mask"].write_bytes(content)


def _milliseconds(paths: Mapping[str, Path], _: SmallRun) -> None:
    paths["sidecar"].write_text(json.dumps({"RepetitionTime": 2000.0}))


def _no_json(paths: Mapping[str, Path], _: SmallRun) -> None:
    paths["sidecar"].write_text('{"RepetitionTime": 2.0')


def _rows(paths: Mapping[str, Path], _: SmallRun) -> None:
    lines = paths["confounds"].read_text().splitlines()
    paths["confounds"].write_text("\n".join(lines[:-3]) + "\n")


def _no_confounds(paths: Mapping[str, Path], _: SmallRun) -> None:
    paths["confounds"].unlink()


# In this order: few participants have the first few.
FAULTS: Mapping[str, Fault] = {
    "BOLD cut in half": Fault(_truncate, r"desc-preproc_bold.*truncated or corrupt"),
    "a flipped bit in BOLD": Fault(_flip, r"desc-preproc_bold.*truncated or corrupt"),
    "confounds without 3 rows": Fault(_rows, r"77 rows.*80 volumes", ("raw",)),
    "mask on another grid": Fault(_other_grid, r"desc-brain_mask.*another grid"),
    "sidecar cut off": Fault(_no_json, r"desc-preproc_bold\.json.*JSON"),
    "no confounds": Fault(_no_confounds, r"no confounds table", ("raw",)),
    "BOLD a link to nothing": Fault(_unfetched, r"desc-preproc_bold.*(datalad|not there|fetch)"),
    "BOLD with 3 dimensions": Fault(_three_dimensions, r"desc-preproc_bold.*4 dimensions"),
    "empty mask": Fault(_empty_mask, r"desc-brain_mask.*empty"),
    "milliseconds": Fault(_milliseconds, r"RepetitionTime 2000"),
}


def group_difference(out: Path, atlas: str, strategy: str, runs: Mapping[str, SmallRun]) -> str:
    """How the group's mean matrix is not that of these participants; empty where it is."""
    z = []
    for run in runs.values():
        matrix = correlations(expected_series(run, atlas, strategy))
        np.fill_diagonal(matrix, np.nan)
        z.append(np.arctanh(matrix))
    name = f"group_*atlas-{atlas}_meas-correlation_desc-{strategy}_stat-mean_relmat.tsv"
    found = list(out.glob(name))
    if len(found) != 1:
        return f"{len(found)} files {name}"
    for path, expected in (
        (found[0], np.mean(z, axis=0)),
        (Path(str(found[0]).replace("stat-mean", "stat-n")), np.isfinite(z).sum(axis=0)),
    ):
        names, values = read_table(path, skip=1)
        wrong = difference(names, values, atlas, np.asarray(expected, float))
        if wrong:
            return f"{path.name}: {wrong}"
    return ""


def reason_found(said: str, label: str, fault: Fault) -> bool:
    """Whether what was printed names a participant's run with the reason of its fault.

    Runs that failed for the same reason are told together, with the text of the first.
    """
    entries = re.split(r"^failed: ", said, flags=re.MULTILINE)[1:]
    name = re.compile(rf"sub-{label}(?![0-9A-Za-z])")
    own = [one for one in entries if name.search(one.partition("\n")[0])]
    return any(re.search(fault.said, one, re.DOTALL) for one in own)
