"""Signals of maps that overlap, their correlations, and where the maps are."""

import nibabel as nib
import numpy as np
from gallery_data import confounds_table, probabilistic_atlas, run_of
from nilearn.connectome import ConnectivityMeasure
from nilearn.image import index_img
from nilearn.maskers import NiftiMapsMasker
from nilearn.plotting import find_probabilistic_atlas_cut_coords

nib.save(probabilistic_atlas(), "maps.nii.gz")
nib.save(run_of(subject=1), "run.nii.gz")
confounds_table(1).to_csv("confounds.csv", index=False)

masker = NiftiMapsMasker(
    maps_img="maps.nii.gz", standardize="zscore_sample", standardize_confounds=True, verbose=0
)
signals = masker.fit_transform("run.nii.gz", confounds="confounds.csv")
print(f"{signals.shape[0]} volumes, {signals.shape[1]} maps")

measure = ConnectivityMeasure(kind="correlation", standardize="zscore_sample")
matrix = measure.fit_transform([signals])[0]
places = find_probabilistic_atlas_cut_coords(masker.maps_img_)
for number in range(masker.n_elements_):
    heaviest = index_img(masker.maps_img_, number).get_fdata().max()
    partner = np.argsort(matrix[number])[-2]
    print(f"map {number} at {np.round(places[number])}, up to {heaviest:.2f}: with {partner}")

np.savez("results.npz", signals=signals, matrix=matrix, places=places)
