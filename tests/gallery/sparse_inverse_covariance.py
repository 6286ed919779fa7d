"""Sparse inverse covariances of maps: of one subject, and of several at once."""

import numpy as np
from gallery_data import T_R, brain_mask, confounds_table, probabilistic_atlas, run_of
from nilearn.connectome import GroupSparseCovariance
from nilearn.maskers import NiftiMapsMasker
from sklearn.covariance import GraphicalLassoCV

masker = NiftiMapsMasker(
    probabilistic_atlas(),
    mask_img=brain_mask(),
    resampling_target="maps",
    detrend=True,
    standardize="zscore_sample",
    high_variance_confounds=True,
    low_pass=None,
    high_pass=0.01,
    t_r=T_R,
).fit()

subjects = []
for subject in range(3):
    confounds = confounds_table(subject)[["csf", "white_matter"]]
    subjects.append(masker.transform(run_of(subject), confounds=confounds))
    print(f"subject {subject}: {subjects[-1].shape}, of {masker.n_elements_} maps")

alone = GraphicalLassoCV(alphas=[0.1, 0.2, 0.4], cv=3).fit(subjects[0])
together = GroupSparseCovariance(alpha=0.1, tol=1e-6, max_iter=20).fit(subjects)
edges = np.abs(np.triu(together.precisions_[..., 0], 1)) > 1e-4
print(f"{edges.sum()} edges together; strongest alone {np.abs(alone.precision_).max():.3f}")

np.savez(
    "results.npz",
    signals=subjects,
    alone=-alone.precision_,
    together=together.precisions_,
)
