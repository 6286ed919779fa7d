"""What each parameter of the cleaning does to the signals and their spectrum."""

import numpy as np
from gallery_data import T_R, confounds_table, label_atlas, run_of
from nilearn.maskers import NiftiLabelsMasker
from scipy.signal import welch

run, confounds = run_of(subject=5), confounds_table(5)
settings = {
    "raw": {"standardize": None},
    "smooth": {"standardize": None, "smoothing_fwhm": 8},
    "detrended": {"standardize": None, "detrend": True},
    "z": {"standardize": "zscore_sample"},
    "percent": {"standardize": "psc", "detrend": True},
    "low": {"standardize": "zscore_sample", "low_pass": 0.08},
    "high": {"standardize": "zscore_sample", "high_pass": 0.02},
    "band": {"standardize": "zscore_sample", "low_pass": 0.1, "high_pass": 0.01, "detrend": True},
    "cosine": {
        "standardize": "zscore_sample",
        "high_pass": 0.01,
        "clean_args": {"filter": "cosine"},
    },
    "order": {
        "low_pass": 0.1,
        "standardize": "zscore_sample",
        "clean_args": {"butterworth__order": 2, "butterworth__padtype": "even"},
    },
    "compcor": {"standardize": "zscore_sample", "high_variance_confounds": True, "detrend": True},
    "as given": {"standardize": None, "standardize_confounds": False},
}
results = {}
for name, parameters in settings.items():
    masker = NiftiLabelsMasker(label_atlas(), t_r=T_R, **parameters).fit(run)
    for what, table in {name: None, f"{name}, confounds": confounds}.items():
        signals = masker.transform(run, confounds=table)
        frequencies, power = welch(signals, fs=1 / T_R, nperseg=40, axis=0)
        peak = frequencies[power[1:].mean(axis=1).argmax() + 1]
        print(f"{what}: mean {signals.mean():.3f}, spread {signals.std():.3f}, peak {peak:.3f} Hz")
        results[what] = signals

np.savez("results.npz", **results)
