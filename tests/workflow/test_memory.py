"""Memory that nodes declare, beside the peak of a process that runs one of them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nipype.pipeline.plugins.base import PluginBase
from tiny import SPACE, confounds_table

from bids_labelx.participant.finished import this_invocation
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings
from bids_labelx.workflow.graph import init_bids_labelx_wf

pytestmark = pytest.mark.integration

AddRun = Callable[..., Path]
WriteImage = Callable[..., Path]

# Of the program alone: what getrusage says may be of the process that it was forked from.
RUN = """
import pickle, re, sys
with open(sys.argv[1], "rb") as file:
    node = pickle.load(file)
node.run()
with open("/proc/self/status") as file:
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1]) * 1024 / 1e9)
"""


class Measured(PluginBase):
    """Runs every node in a fresh process, as a cluster does, and keeps its peak in GB."""

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args)
        self.peaks: dict[str, tuple[float, float]] = {}

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:  # noqa: ARG002
        import networkx

        for node in networkx.topological_sort(graph):
            if node.run_without_submitting:
                node.run()
                continue
            path = Path(self.plugin_args["folder"]) / f"{node.name}.pkl"
            path.write_bytes(pickle.dumps(node))
            command = [sys.executable, "-c", RUN, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            peak = float(done.stdout.split()[-1])
            self.peaks[node.fullname] = (node.mem_gb, peak)


@pytest.mark.figures
@pytest.mark.parametrize(
    ("shape", "n_volumes", "n_labels", "dtype", "options"),
    [
        ((20, 20, 20), 40, 5, np.float32, {}),
        ((97, 115, 97), 30, 400, np.int16, {"clean_level": "voxel", "denoise": ("none",)}),
        ((97, 115, 97), 20, 300, np.float32, {"smoothing_fwhm": 6.0, "denoise": ("none",)}),
        (
            (97, 115, 97),
            150,
            1000,
            np.int16,
            {
                "denoise": ("none", "simple"),
                "statistic": ("mean", "median"),
                "connectivity": ("correlation", "partial-correlation"),
            },
        ),
    ],
)
def test_no_node_needs_more_than_it_declares_nor_a_third_of_it(
    tmp_path: Path,
    write_image: WriteImage,
    shape: tuple[int, int, int],
    n_volumes: int,
    n_labels: int,
    dtype: type,
    options: dict[str, Any],
) -> None:
    rng = np.random.default_rng(0)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    func = tmp_path / "ds" / "sub-01" / "func"
    stem = f"sub-01_task-rest_space-{SPACE}"
    base = rng.integers(100, 1000, shape).astype(dtype)
    data = base[..., np.newaxis] + np.arange(n_volumes, dtype=dtype)
    # Uncompressed files: writing them is most of the test's time.
    write_image(func / f"{stem}_desc-preproc_bold.nii", data, affine, 2.0)
    del data
    write_image(func / f"{stem}_desc-brain_mask.nii", np.ones(shape, np.uint8), affine)
    confounds_table(rng, n_volumes).to_csv(
        func / "sub-01_task-rest_desc-confounds_timeseries.tsv",
        sep="\t",
        index=False,
        na_rep="n/a",
    )
    (tmp_path / "ds" / "dataset_description.json").write_text('{"Name": "large"}')
    labels = np.zeros(shape, np.int16)
    third = labels.reshape(-1)[: labels.size // 3]
    third[:] = np.arange(third.size) % n_labels + 1
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-A_dseg.nii.gz", labels, affine)
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas=(str(image),),
        **{"denoise": ("simple",), **options},
    )
    plan = make_plan(settings)
    (tmp_path / "records" / "atlases").mkdir(parents=True)
    workflow = init_bids_labelx_wf(
        settings,
        plan,
        this_invocation(settings, plan),
        work_dir=tmp_path,
        records=tmp_path / "records",
    )
    plugin = Measured({"folder": str(tmp_path)})
    workflow.run(plugin=plugin)
    assert len(plugin.peaks) == (4 if options.get("clean_level") == "voxel" else 5)
    print(plugin.peaks)
    for name, (declared, peak) in plugin.peaks.items():
        assert peak <= declared <= 3 * peak, (name, declared, peak)
