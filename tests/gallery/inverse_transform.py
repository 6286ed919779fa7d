"""Statistics of regions brought back into the brain, from labels, maps and spheres."""

import nibabel as nib
import numpy as np
from gallery_data import brain_mask, label_atlas, probabilistic_atlas, run_of, seeds
from nilearn.image import math_img, mean_img
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiSpheresMasker

run, mask = run_of(subject=7), brain_mask()
maskers = {
    "labels": NiftiLabelsMasker(label_atlas(), mask_img=mask, standardize="psc"),
    "maps": NiftiMapsMasker(probabilistic_atlas(), mask_img=mask, standardize="psc"),
    "spheres": NiftiSpheresMasker(seeds(), radius=6, mask_img=mask, standardize="psc"),
}
results = {}
for name, masker in maskers.items():
    changes = masker.fit_transform(run)
    series = masker.inverse_transform(changes)
    spread = masker.inverse_transform(changes.std(axis=0))
    print(f"{name}: {series.shape}, {spread.shape}, {spread.get_data_dtype()}")
    nib.save(spread, f"{name}.nii.gz")
    lively = math_img("image > np.percentile(image[image > 0], 60)", image=f"{name}.nii.gz")
    print(f"{np.count_nonzero(lively.get_fdata())} voxels of the liveliest regions")
    results |= {
        f"{name} mean": mean_img(series, copy_header=True).get_fdata(),
        f"{name} spread": spread.get_fdata(),
    }

np.savez("results.npz", **results)
