"""Connectivity of a group: three kinds of it, the mean, and vectors for statistics."""

import numpy as np
from gallery_data import T_R, confounds_table, probabilistic_atlas, run_of
from nilearn.connectome import ConnectivityMeasure, vec_to_sym_matrix
from nilearn.maskers import MultiNiftiMapsMasker

subjects = range(6)
runs = [run_of(subject, group=subject % 2) for subject in subjects]
confounds = [confounds_table(subject) for subject in subjects]

masker = MultiNiftiMapsMasker(
    probabilistic_atlas(),
    resampling_target="data",
    standardize="zscore_sample",
    t_r=T_R,
    low_pass=0.1,
    high_pass=0.01,
    detrend=True,
    n_jobs=2,
)
signals = masker.fit_transform(runs, confounds=confounds)
print(f"{len(signals)} subjects with {signals[0].shape[1]} maps each")

results = {}
for kind in ("correlation", "partial correlation", "tangent"):
    measure = ConnectivityMeasure(
        kind=kind, vectorize=True, discard_diagonal=True, standardize="zscore_sample"
    )
    vectors = measure.fit_transform(signals)
    odd, even = vectors[1::2].mean(axis=0), vectors[::2].mean(axis=0)
    apart = vec_to_sym_matrix(odd - even, diagonal=np.zeros(masker.n_elements_))
    edge = np.unravel_index(np.abs(apart).argmax(), apart.shape)
    print(f"{kind}: {vectors.shape}; the groups differ most between {edge[0]} and {edge[1]}")
    results |= {kind: vectors, f"mean {kind}": measure.mean_}

np.savez("results.npz", **results)
