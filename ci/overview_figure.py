"""Draw docs/figures/overview.png: ``python ci/overview_figure.py DEMO``, the demo's folder."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

from bids_labelx.outputs.results import read_series

mpl.use("Agg")
import matplotlib.pyplot as plt

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "overview.png"
_RUN = "sub-08/ses-pre/func/sub-08_ses-pre_task-rest_space-MNI152NLin2009cAsym"
_GROUP = "group_task-rest_space-MNI152NLin2009cAsym_atlas-Demo_res-2_meas-correlation"


def draw(demo: Path) -> plt.Figure:
    """The four panels, from an image to a group difference."""
    output = demo / "bids_labelx"
    series_path = Path(f"{_RUN}_atlas-Demo_res-2_stat-mean_desc-simple_timeseries.tsv")
    matrix_name = f"{_RUN}_atlas-Demo_res-2_stat-mean_meas-correlation_desc-simple_relmat.tsv"
    t_name = f"{_GROUP}_desc-simple_harm-combat_model-A_contrast-group_stat-t_relmat.tsv"
    bold = nib.load(demo / "simulated" / f"{_RUN}_res-2_boldref.nii.gz").get_fdata()
    labels = nib.load(output / f"{_RUN}_atlas-Demo_res-2_dseg.nii.gz").get_fdata()
    series = pd.read_csv(output / series_path, sep="\t")
    matrix = pd.read_csv(output / matrix_name, sep="\t", index_col="name")
    t = pd.read_csv(output / t_name, sep="\t", index_col="name", na_values="n/a")
    t_r = read_series(output, series_path).sidecar["RepetitionTime"]

    figure, axes = plt.subplots(1, 4, figsize=(12, 3.1), layout="constrained")
    middle = bold.shape[2] // 2
    axes[0].imshow(bold[:, :, middle].T, cmap="gray", origin="lower")
    shown = np.ma.masked_equal(labels[:, :, middle].T, 0)
    axes[0].imshow(shown, cmap="tab20", origin="lower", alpha=0.65, interpolation="nearest")
    scaled = (series - series.mean()) / series.std()
    seconds = np.arange(len(series)) * t_r
    for k, name in enumerate(scaled):
        axes[1].plot(seconds, scaled[name] - 5 * k, linewidth=0.7, color=plt.cm.tab20(k))
    axes[1].set_yticks([])
    axes[1].set_xlabel("seconds")
    axes[2].imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    largest = float(np.nanmax(np.abs(t.to_numpy())))
    axes[3].imshow(t, cmap="PuOr_r", vmin=-largest, vmax=largest)
    titles = ("a preprocessed run\nand an atlas", "one denoised series\nper region")
    titles += ("connectivity\nof each run", "models of the group:\npatients and controls, t")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=11)
    for axis in (axes[0], *axes[2:]):
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


if __name__ == "__main__":
    draw(Path(sys.argv[1])).savefig(FIGURE, dpi=110)
    # Few colours make a small file.
    Image.open(FIGURE).convert("RGB").quantize(96).save(FIGURE, optimize=True)
