"""Several runs in several processes, and left and right regions compared over them."""

from pathlib import Path

import nibabel as nib
import numpy as np
from gallery_data import T_R, brain_mask, confounds_table, label_atlas, label_table, run_of
from nilearn.maskers import MultiNiftiLabelsMasker

paths, tables, kept = [], [], []
for number in range(4):
    paths.append(str(Path(f"run-{number}.nii.gz").resolve()))
    nib.save(run_of(number, n_volumes=40 + 5 * number), paths[-1])
    tables.append(confounds_table(number, 40 + 5 * number).iloc[:, :6].to_numpy())
    kept.append(None if number % 2 else np.setdiff1d(np.arange(40 + 5 * number), [7, 8, 21]))

masker = MultiNiftiLabelsMasker(
    label_atlas(),
    lut=label_table(),
    mask_img=brain_mask(),
    strategy="median",
    standardize="zscore_sample",
    detrend=True,
    t_r=T_R,
    memory="cache",
    n_jobs=2,
)
signals = masker.fit_transform(paths, confounds=tables, sample_mask=kept)
again = masker.transform(paths, confounds=tables, sample_mask=kept)
assert all(np.array_equal(one, other) for one, other in zip(signals, again, strict=True))

names = [masker.region_names_[k] for k in range(masker.n_elements_)]
pairs = [(names.index(one), names.index(one.replace("left", "right"))) for one in names[:4]]
alike = [
    [np.corrcoef(one[:, left], one[:, right])[0, 1] for left, right in pairs] for one in signals
]
for one, row in zip(signals, alike, strict=True):
    print(f"{len(one)} volumes:", *(f"{value:.4f}" for value in row))

np.savez("results.npz", alike=alike, **{f"run {k}": one for k, one in enumerate(signals)})
