"""Denoising strategies of fMRIPrep's confounds, with and without censored volumes."""

from pathlib import Path

import numpy as np
from gallery_data import label_atlas, write_fmriprep
from nilearn.connectome import ConnectivityMeasure
from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy
from nilearn.maskers import NiftiLabelsMasker

run = write_fmriprep(Path("func"))
mask = run.replace("preproc_bold", "brain_mask")
masker = NiftiLabelsMasker(
    label_atlas(), mask_img=mask, standardize="zscore_sample", detrend=False, t_r=2.0
)
measure = ConnectivityMeasure(kind="correlation", standardize="zscore_sample")

loaded = {
    "motion": load_confounds(run, strategy=("motion",), motion="basic"),
    "tissues": load_confounds(
        run, strategy=("high_pass", "motion", "wm_csf"), motion="power2", wm_csf="basic"
    ),
    "scrubbing": load_confounds(
        run,
        strategy=("high_pass", "motion", "wm_csf", "scrub"),
        motion="full",
        scrub=0,
        fd_threshold=0.5,
        std_dvars_threshold=1.5,
    ),
    "simple": load_confounds_strategy(run, denoise_strategy="simple"),
}
results = {}
for name, (confounds, sample_mask) in loaded.items():
    signals = masker.fit_transform(run, confounds=confounds, sample_mask=sample_mask)
    results[name] = measure.fit_transform([signals])[0]
    print(f"{name}: {confounds.shape[1]} confounds, {len(signals)} volumes", end=", ")
    print(f"mean correlation {results[name][np.triu_indices(8, 1)].mean():.4f}")

np.savez("results.npz", **results)
