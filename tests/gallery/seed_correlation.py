"""Correlation of one seed with every voxel, and Fisher's z of it as an image."""

import numpy as np
from gallery_data import T_R, brain_mask, confounds_table, run_of, seeds
from nilearn.image import clean_img, smooth_img, threshold_img
from nilearn.maskers import NiftiSpheresMasker
from nilearn.masking import apply_mask, unmask

run, mask, confounds = run_of(subject=2), brain_mask(), confounds_table(2)
cleaning = {
    "standardize": "zscore_sample",
    "detrend": True,
    "low_pass": 0.1,
    "high_pass": 0.01,
    "t_r": T_R,
}
posterior = seeds()[3]
seed_masker = NiftiSpheresMasker(
    [posterior], radius=8, mask_img=mask, smoothing_fwhm=6, **cleaning
)
seed_signal = seed_masker.fit_transform(run, confounds=[confounds])
brain = clean_img(smooth_img(run, 6), confounds=confounds.to_numpy(), **cleaning)
brain_signals = apply_mask(brain, mask)
print(f"seed: {seed_signal.shape}, brain: {brain_signals.shape}")

correlations = brain_signals.T @ seed_signal / (len(seed_signal) - 1)
print(f"from {correlations.min():.3f} to {correlations.max():.3f}")
fisher_z = unmask(np.arctanh(np.clip(correlations, -0.999, 0.999)).T, mask)
strong = threshold_img(fisher_z, threshold=0.5, copy_header=True)
print(f"{np.count_nonzero(strong.get_fdata())} voxels are beyond 0.5")

np.savez("results.npz", seed=seed_signal, correlations=correlations, z=fisher_z.get_fdata())
