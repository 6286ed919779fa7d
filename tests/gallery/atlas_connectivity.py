"""Correlations between the regions of an atlas, with and without confounds."""

import numpy as np
from gallery_data import NAMES, T_R, confounds_table, label_atlas, run_of
from nilearn.connectome import ConnectivityMeasure
from nilearn.maskers import NiftiLabelsMasker

run, atlas = run_of(subject=3), label_atlas()
masker = NiftiLabelsMasker(
    labels_img=atlas,
    labels=["Background", *NAMES],
    standardize="zscore_sample",
    detrend=True,
    high_pass=0.008,
    t_r=T_R,
    memory="cache",
    memory_level=1,
)
measure = ConnectivityMeasure(kind="correlation", standardize="zscore_sample")
matrices = {}
for what, confounds in {"plain": None, "clean": confounds_table(3)}.items():
    signals = masker.fit_transform(run, confounds=confounds)
    (matrix,) = measure.fit_transform([signals])
    np.fill_diagonal(matrix, 0)
    matrices[what] = matrix
    first, second = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
    names = masker.region_names_
    print(f"{what}: {signals.shape[1]} regions; most alike: {names[first]}, {names[second]}")
print(f"mean change by confounds: {np.mean(matrices['plain'] - matrices['clean']):.4f}")

np.savez("results.npz", **matrices)
