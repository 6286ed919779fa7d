"""The rows of `ci/bench`: what is compared, with whom, and the bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_app import app_rows
from bench_maps import map_rows
from bench_measure import (
    Bar,
    Row,
    faster,
    lighter,
    memory,
    of_gunzip,
    snippet,
)
from bench_statistics import statistics_rows
from bench_surfaces import surface_rows

CLEANING = "detrend=True, low_pass=0.1, high_pass=0.01, t_r=2.0"
BAND = "detrend=True, filter='butterworth', low_pass=0.1, high_pass=0.01, t_r=2.0"
OURS = f"""
import numpy as np
from pathlib import Path
from bids_labelx import NiftiLabelsMasker
from bids_labelx.extraction.clean import clean, prepare_cleaner
from bids_labelx.extraction.coverage import reduce_covered, watch
from bids_labelx.extraction.elements import clean_elements, gather_elements
from bids_labelx.extraction.formats import open_run_data, read_map
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import find_regions
clean(np.random.default_rng(0).normal(size=(90, 2)), {BAND})
"""
NILEARN = f"""
import numpy as np
from nilearn.maskers import NiftiLabelsMasker, NiftiMasker
from nilearn.signal import clean
clean(np.random.default_rng(0).normal(size=(90, 2)), {CLEANING})
"""
# The confounds that each of four strategies takes.
STRATEGIES = (0, 6, 24, 36)


def masker_row(folder: Path, what: str, run: str, bars: Sequence[Bar], options: str = "") -> Row:
    """The same masker call by us and by nilearn, cleaned with all confounds."""
    table = "long" if run.startswith("long") else "confounds"
    body = (
        f"table = np.load({str(folder / table)!r} + '.npy')\n"
        f"masker = NiftiLabelsMasker({str(folder / 'b.nii.gz')!r}, "
        f"mask_img={str(folder / 'mask.nii.gz')!r}, {CLEANING}{options})\n"
        f"masker.fit_transform({str(folder / run)!r}, confounds=table)"
    )
    return Row(what, snippet(OURS, body), snippet(NILEARN, body), bars=tuple(bars))


def several_row(folder: Path, what: str, strategies: Sequence[int], bars: Sequence[Bar]) -> Row:
    """Three atlases and some strategies from one reading, beside nilearn's masker for each."""
    run, mask = str(folder / "int16.nii.gz"), str(folder / "mask.nii.gz")
    images = [str(folder / f"{name}.nii.gz") for name in "abc"]
    load = f"table = np.load({str(folder / 'confounds.npy')!r})\n"
    ours = load + (
        f"inside = read_map({mask!r})[1] > 0\n"
        f"labels = [read_map(path)[1].astype(np.int64) for path in {images}]\n"
        "regions = [find_regions(one, np.arange(1, one.max() + 1), inside) for one in labels]\n"
        f"data = open_run_data({run!r})\n"
        "reduced = reduce_volumes(data, regions, ['mean'], uncovered='exclude')\n"
        "for signals in reduced.signals:\n"
        f"    for count in {strategies}:\n"
        f"        clean(signals['mean'], confounds=table[:, :count] if count else None, {BAND})"
    )
    theirs = load + (
        f"for path in {images}:\n"
        f"    for count in {strategies}:\n"
        f"        masker = NiftiLabelsMasker(path, mask_img={mask!r}, {CLEANING})\n"
        f"        confounds = table[:, :count] if count else None\n"
        f"        masker.fit_transform({run!r}, confounds=confounds)"
    )
    return Row(what, snippet(OURS, ours), snippet(NILEARN, theirs), bars=tuple(bars))


def voxel_row(folder: Path) -> Row:
    """Voxels cleaned first, then averaged."""
    run, mask = str(folder / "int16.nii.gz"), str(folder / "mask.nii.gz")
    labels, scratch = str(folder / "b.nii.gz"), str(folder / "scratch")
    load = f"table = np.load({str(folder / 'confounds.npy')!r})\n"
    ours = load + (
        f"inside = read_map({mask!r})[1] > 0\n"
        f"labels = read_map({labels!r})[1].astype(np.int64)\n"
        "regions = find_regions(labels, np.arange(1, labels.max() + 1), inside)\n"
        f"data, scratch = open_run_data({run!r}), Path({scratch!r})\n"
        "watched = watch(data, regions.elements)\n"
        "series = gather_elements(*watched, scratch.with_suffix('.raw'))\n"
        f"cleaner = prepare_cleaner(data.n_volumes, confounds=table, {BAND})\n"
        "cleaned = clean_elements(series, cleaner, scratch.with_suffix('.cleaned'))\n"
        "reduce_covered(cleaned, series.seen, [regions], ['mean'])"
    )
    theirs = load + (
        f"voxels = NiftiMasker({mask!r}, {CLEANING})\n"
        f"cleaned = voxels.fit_transform({run!r}, confounds=table)\n"
        "image = voxels.inverse_transform(cleaned)\n"
        f"NiftiLabelsMasker({labels!r}, mask_img={mask!r}).fit_transform(image)"
    )
    return Row(
        "voxel-level cleaning, mean",
        snippet(OURS, ours),
        snippet(NILEARN, theirs),
        bars=(faster(1), lighter(1 / 3)),
    )


def gunzip_row(folder: Path) -> Row:
    """The floor: to decompress the run and do nothing with it."""
    run = str(folder / "int16.nii.gz")
    body = (
        f"with igzip.open({run!r}) as stream:\n"
        "    piece = memoryview(bytearray(1 << 20))\n"
        "    while stream.readinto1(piece): pass"
    )
    theirs = f"with gzip.open({run!r}) as stream:\n    while stream.read(1 << 20): pass"
    bare = snippet("from isal import igzip", body)
    return Row("bare gunzip of the int16 file", bare, snippet("import gzip", theirs), "zlib")


def all_rows(folder: Path, size: Mapping[str, Any]) -> list[Row]:
    """The rows of the table."""
    run = "int16.nii.gz"
    gunzip = gunzip_row(folder)
    one = masker_row(folder, "one atlas, mean", run, [of_gunzip(1.35), faster(5)])
    three = several_row(folder, "three atlases", (36,), [of_gunzip(1.6), faster(12)])
    deviation = ", strategy='standard_deviation'"
    smoothing = ", smoothing_fwhm=6"
    long = masker_row(folder, "one atlas, four times the volumes", "long.nii.gz", [])
    like = Bar("{} × the memory of one run", lambda a, b, _: a.memory / b.memory, 1.1)
    return [
        gunzip,
        replace(one, gunzip=gunzip.ours),
        replace(three, gunzip=gunzip.ours),
        several_row(folder, "three atlases × four strategies", STRATEGIES, [faster(40)]),
        masker_row(folder, "float32 .nii.gz", "float32.nii.gz", [faster(2.5)]),
        masker_row(folder, "float32 .nii", "float32.nii", [faster(5)]),
        masker_row(folder, "median", run, [faster(3)], ", strategy='median'"),
        masker_row(folder, "standard deviation", run, [faster(5)], deviation),
        masker_row(folder, "smoothing 6 mm", run, [faster(1.3), memory(300)], smoothing),
        voxel_row(folder),
        *map_rows(folder, size),
        *surface_rows(folder, size),
        replace(long, peer=one.ours, peer_name="the volumes once", bars=(memory(300), like)),
        *app_rows(folder, size, gunzip),
        *statistics_rows(size),
    ]
