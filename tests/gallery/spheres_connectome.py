"""A connectome of spheres about published coordinates: correlations and partial ones."""

import numpy as np
import pandas as pd
from gallery_data import NAMES, T_R, confounds_table, run_of, seeds
from nilearn.connectome import ConnectivityMeasure
from nilearn.maskers import NiftiSpheresMasker
from sklearn.covariance import GraphicalLassoCV

table = pd.DataFrame(seeds(), columns=["x", "y", "z"], index=NAMES)
coordinates = np.vstack((table["x"], table["y"], table["z"])).T

spheres_masker = NiftiSpheresMasker(
    seeds=coordinates,
    radius=9.0,
    allow_overlap=False,
    smoothing_fwhm=4,
    detrend=True,
    standardize="zscore_sample",
    low_pass=0.2,
    high_pass=0.01,
    t_r=T_R,
)
signals = spheres_masker.fit_transform(run_of(subject=4), confounds=confounds_table(4))
print(f"{signals.shape[1]} spheres, of {spheres_masker.n_elements_} seeds")
print(spheres_masker.seeds_[0], spheres_masker.get_feature_names_out().shape)

sparse = GraphicalLassoCV(alphas=[0.1, 0.2, 0.4], cv=3).fit(signals)
print(f"{np.count_nonzero(np.abs(sparse.precision_) > 1e-3)} entries of the precision matrix")
matrices = {
    kind.replace(" ", "_"): ConnectivityMeasure(kind=kind, standardize=False).fit_transform(
        [signals]
    )[0]
    for kind in ("correlation", "partial correlation", "precision")
}
np.savez("results.npz", signals=signals, covariance=sparse.covariance_, **matrices)
