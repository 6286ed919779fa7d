"""The rows of `ci/bench`: what is compared, with whom, and the bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_maps import map_rows
from bench_measure import (
    Bar,
    Row,
    code,
    command,
    faster,
    lighter,
    memory,
    of_gunzip,
    seconds,
    snippet,
)
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


def index_rows(folder: Path) -> list[Row]:
    """What the app asks a dataset of many participants."""
    setup = "from bids_labelx.inputs.dataset import find_runs\n"
    setup += "from bids_labelx.settings import Settings"
    tree = str(folder / "tree")
    ask = "from pathlib import Path\nfind_runs(Settings(Path({!r}), Path('out'), 'participant'{}))"
    pybids = snippet("from bids import BIDSLayout", f"BIDSLayout({tree!r}, is_derivative=True)")
    one = ask.format(tree, ", participant_label=('0001',)")
    return [
        Row(
            "index of all participants",
            snippet(setup, ask.format(tree, "")),
            pybids,
            "pybids' defaults",
            (seconds(12), memory(300)),
        ),
        Row("index of one of them", snippet(setup, one), bars=(seconds(1),)),
    ]


def app_row(folder: Path) -> Row:
    """The whole command line on one run."""
    app = command(
        "-m", "bids_labelx", folder / "dataset", folder / "out", "participant",
        "--atlas", f"b={folder / 'b.nii.gz'}", "--atlas-space", "MNI152NLin2009cAsym",
    )  # fmt: skip
    what = "command line: 1 run, 1 atlas, matrix, report"
    return Row(what, app, bars=(seconds(8), memory(700)))


# The app, with some of its functions timed in whichever of its processes they run.
TIMED = """
import os, resource, sys, time
from bids_labelx.app.cli import main
from bids_labelx.report import participant_page
from bids_labelx.participant import extract
from bids_labelx.workflow import interfaces
log = os.open({log!r}, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
def timed(module, name):
    function = getattr(module, name)
    def call(*given, **named):
        start = time.{clock}()
        try:
            return function(*given, **named)
        finally:
            os.write(log, f"{{time.{clock}() - start}}\\n".encode())
    setattr(module, name, call)
{functions}
begun = time.perf_counter()
main({arguments}) and sys.exit("a run failed")
wall = time.perf_counter() - begun
spent = sum(map(float, os.pread(log, 1 << 20, 0).split()))
usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(one.ru_utime + one.ru_stime for one in usage)
memory = max(one.ru_maxrss for one in usage) / 1024
print({said})
"""


def report_row(folder: Path) -> Row:
    """Figures and page of one run with one atlas and one strategy, as the app makes them."""
    arguments = [
        str(folder / "dataset"), str(folder / "out-report"), "participant",
        "--atlas", f"b={folder / 'b.nii.gz'}", "--atlas-space", "MNI152NLin2009cAsym",
        "--overwrite",
    ]  # fmt: skip
    functions = (
        "timed(interfaces, 'draw_run')\ntimed(participant_page, 'write_participant_report')"
    )
    text = TIMED.format(
        log=str(folder / "spent"),
        clock="perf_counter",
        functions=functions,
        arguments=arguments,
        said="spent, memory, cpu",
    )
    return Row("its reports alone", code(text), bars=(seconds(2.5),))


def study_row(folder: Path, n_runs: int) -> Row:
    """Processor time of many small runs, without what extraction and figures take of it."""
    arguments = [
        str(folder / "study"), str(folder / "out-study"), "participant", "--atlas",
        f"b={folder / 'small' / 'labels.nii.gz'}", "--atlas-space", "MNI152NLin2009cAsym",
        "--nprocs", "2",
    ]  # fmt: skip
    text = TIMED.format(
        log=str(folder / "spent"),
        clock="process_time",
        functions="timed(extract, 'reduce_run')\ntimed(interfaces, 'draw_run')",
        arguments=arguments,
        said=f"wall, memory, (cpu - spent) / {n_runs}",
    )
    bar = Bar("{} s CPU a run beyond extraction and figures", lambda a, *_: a.cpu, 0.7)
    return Row(
        f"command line: {n_runs} participants, 1 small run, --nprocs 2", code(text), bars=(bar,)
    )


def graph_row(folder: Path, n_runs: int) -> Row:
    """The graph of many runs, as far as handing it to a plugin."""
    setup = """
import os
os.environ["NO_ET"] = "1"
from dataclasses import replace
from pathlib import Path
from nipype.pipeline.plugins.base import PluginBase
from bids_labelx.settings import Settings
from bids_labelx.workflow.graph import init_bids_labelx_wf
from bids_labelx.participant.finished import this_invocation
from bids_labelx.participant.plan import make_plan
class Nothing(PluginBase):
    def run(self, graph, config, updatehash=False): pass
"""
    study, labels = str(folder / "study"), str(folder / "small" / "labels.nii.gz")
    body = f"""
atlas = {{"atlas": ("b={labels}",), "atlas_space": "MNI152NLin2009cAsym"}}
settings = Settings(Path({study!r}), Path("out"), "participant", **atlas)
plan = make_plan(settings)
one = plan.runs[0]
runs = [replace(one.run, entities={{**one.run.entities, "sub": str(i)}}) for i in range({n_runs})]
plan = replace(plan, runs=tuple(replace(one, run=run) for run in runs))
work = Path({str(folder / "work")!r})
made = this_invocation(settings, plan)
workflow = init_bids_labelx_wf(settings, plan, made, work_dir=work, records=work)
workflow.run(plugin=Nothing())
"""
    bars = (seconds(60), memory(1000))
    return Row(f"graph of {n_runs:,} runs", snippet(setup, body), bars=bars)


def group_row(folder: Path, n_participants: int, n_labels: int) -> Row:
    """The group level: tables, matrices, QC-FC, edges and page."""
    group = command("-m", "bids_labelx", folder / "study", folder / "results", "group")
    what = f"group level: {n_participants:,} participants, {n_labels} regions"
    return Row(what, group, bars=(seconds(300), memory(1000)))


def all_rows(folder: Path, size: Mapping[str, Any]) -> list[Row]:
    """The rows of the table."""
    run, n_subjects = "int16.nii.gz", size["n_subjects"]
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
        Row("`--help`", command("-m", "bids_labelx", "--help"), bars=(seconds(0.3),)),
        *index_rows(folder),
        graph_row(folder, 4 * n_subjects),
        app_row(folder),
        report_row(folder),
        study_row(folder, min(20, n_subjects)),
        group_row(folder, size["n_results"], size["n_labels"][1]),
    ]
