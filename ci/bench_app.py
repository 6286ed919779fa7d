"""The rows of `ci/bench` about the app as a whole: index, graph, command line, reports, group."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench_measure import (
    Bar,
    Measured,
    Row,
    code,
    command,
    faster,
    memory,
    processor_seconds,
    seconds,
    snippet,
)

SPACE = ("--atlas-space", "MNI152NLin2009cAsym")

# The app, with some of its functions timed in whichever of its processes they run.
TIMED = """
import os, resource, sys, time
from pathlib import Path
from bids_labelx.app.cli import main
from bids_labelx.report import participant_page
from bids_labelx.workflow import interfaces
log = os.open({log!r}, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
def timed(module, name):
    function = getattr(module, name)
    def call(*given, **named):
        start = time.process_time()
        try:
            return function(*given, **named)
        finally:
            os.write(log, f"{{time.process_time() - start}}\\n".encode())
    setattr(module, name, call)
timed(interfaces, "write_pictures")
timed(participant_page, "write_participant_report")
begun = time.perf_counter()
main({arguments}) and sys.exit("a run failed")
wall = time.perf_counter() - begun
spent = sum(map(float, os.pread(log, 1 << 20, 0).split()))
usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(one.ru_utime + one.ru_stime for one in usage)
memory = max(one.ru_maxrss for one in usage) / 1024
def kilobytes(*patterns):
    out = Path({output!r})
    return sum(path.stat().st_size for one in patterns for path in out.glob(one)) / 1000
print({said})
"""


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


def app_row(folder: Path, gunzip: Row) -> Row:
    """The whole command line on one run."""
    app = command(
        "-m", "bids_labelx", folder / "dataset", folder / "out", "participant",
        "--atlas", f"b={folder / 'b.nii.gz'}", *SPACE, "--overwrite",
    )  # fmt: skip
    what = "command line: 1 run, 1 atlas, matrix, report"
    like = Bar("{} × gunzip in processor seconds", lambda a, _, c: a.cpu / c.cpu, 3)
    return Row(what, app, bars=(seconds(2.5), like, memory(700)), gunzip=gunzip.ours)


def store_row(folder: Path) -> Row:
    """The one pass over the large run, from an object store and from the disk."""
    store = str(Path(__file__).with_name("bench_store.py"))
    setup = f"""
import os, subprocess, sys
from pathlib import Path
import numpy as np
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import find_regions
from bids_labelx.images import read_data
from bids_labelx.participant.opening import open_series
folder = Path({str(folder)!r})
labels = read_data(folder / "b.nii.gz")[0].ravel(order="F")
inside = read_data(folder / "mask.nii.gz")[0].ravel(order="F") > 0
regions = find_regions(labels, np.unique(labels[labels > 0]), inside)
run = next((folder / "dataset").glob("sub-01/func/*_desc-preproc_bold.nii.gz"))
"""
    remote = f"""
from bids_labelx.remote.mirror import make_mirror
from bids_labelx.remote.store import access_to
from bids_labelx.remote.tree import Wanted, update_mirror
words = [sys.executable, {store!r}, str(folder)]
server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:" + server.stdout.readline().strip()
url = "s3://bucket/dataset"
mirror = make_mirror(folder / "mirrors", url, access_to(url, 60))
update_mirror(mirror, Wanted())
run = mirror.root / run.relative_to(folder / "dataset")
"""
    body = "reduce_volumes(open_series(run), [regions], ('mean',), uncovered='exclude')"
    bars = (
        Bar("{} × the time from disk", lambda a, b, _: a.seconds / b.seconds, 1.25),
        # Of the libraries, and of what is read ahead; with the length it does not grow.
        Bar("{} MB more than from disk", lambda a, b, _: a.memory - b.memory, 100),
    )
    ours, disk = snippet(setup + remote, body), snippet(setup, body)
    return Row("one atlas, mean, from local S3", ours, disk, "from disk", bars)


def _timed(folder: Path, dataset: str, atlas: Path, name: str, said: str, *more: str) -> Any:
    """Run the app on a dataset, and print what is asked for."""
    output = str(folder / f"out-{name}")
    arguments = [
        str(folder / dataset), output, "participant", "--atlas", f"b={atlas}", *SPACE,
        "--overwrite", *more,
    ]  # fmt: skip
    log = str(folder / "spent")
    return code(TIMED.format(log=log, arguments=arguments, said=said, output=output))


def report_rows(folder: Path) -> list[Row]:
    """Page, and data that it is drawn from, in processor seconds; and how large they are."""
    large, small = folder / "b.nii.gz", folder / "small" / "labels.nii.gz"
    three = ("--denoise", "simple", "24P", "36P")
    one = ("--participant-label", "01")
    page = "kilobytes('sub-*.html', 'sub-*/figures/*')"
    sized = f"spent, memory, spent, {page}"
    shared = "spent, memory, spent, kilobytes('report/*')"
    return [
        Row(
            "page of a small run × 3 strategies",
            _timed(folder, "study", small, "small", sized, *one, *three),
            bars=(processor_seconds(0.3),),
        ),
        Row(
            "page of the large run × 400 regions",
            _timed(folder, "dataset", large, "large", sized),
            bars=(processor_seconds(0.4),),
        ),
        Row(
            "page of the large run × 400 regions × 3 strategies",
            _timed(folder, "dataset", large, "three", sized, *three),
            bars=(Bar("{} KB", lambda a, *_: a.size, 600),),
        ),
        Row(
            "what all pages share",
            _timed(folder, "study", small, "shared", shared, *one),
            bars=(Bar("{} KB", lambda a, *_: a.size, 1500),),
        ),
    ]


def study_row(folder: Path, n_runs: int) -> Row:
    """Many small runs, from start to end."""
    labels = folder / "small" / "labels.nii.gz"
    said = f"wall, memory, cpu / {n_runs}"
    ours = _timed(folder, "study", labels, "study", said, "--nprocs", "2")
    bar = Bar("{} s of processor a run", lambda a, *_: a.cpu, 0.6)
    return Row(f"command line: {n_runs} participants, 1 small run, --nprocs 2", ours, bars=(bar,))


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


def forget(folder: Path) -> None:
    """Have the files of a folder read from the disk next time, as when other jobs wrote them."""
    os.sync()
    for path in filter(Path.is_file, folder.rglob("*")):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compact_row(folder: Path, n_participants: int, n_labels: int) -> Row:
    """The group level on a compact output folder beside that on files, neither in memory yet."""

    def group(name: str) -> Measured:
        forget(folder / name)
        done = command("-m", "bids_labelx", folder / "study", folder / name, "group")()
        return replace(done, size=1 + sum(1 for _ in (folder / name).rglob("*")))

    bars = (faster(1, "files"), Bar("{} inodes", lambda a, *_: a.size, 200), memory(1000))
    what = f"`--compact`, group level: {n_participants:,} participants, {n_labels} regions"
    return Row(what, partial(group, "compact"), partial(group, "results"), "files", bars)


def app_rows(folder: Path, size: Mapping[str, Any], gunzip: Row) -> list[Row]:
    """All of them."""
    n_subjects = size["n_subjects"]
    return [
        Row("`--help`", command("-m", "bids_labelx", "--help"), bars=(seconds(0.3),)),
        *index_rows(folder),
        graph_row(folder, 4 * n_subjects),
        app_row(folder, gunzip),
        store_row(folder),
        *report_rows(folder),
        study_row(folder, min(20, n_subjects)),
        group_row(folder, size["n_results"], size["n_labels"][1]),
        compact_row(folder, size["n_results"], size["n_labels"][1]),
    ]
