"""Parcels and dictionary maps learnt from the runs themselves, and what they explain of them."""

import numpy as np
from gallery_data import brain_mask, run_of
from nilearn.decomposition import DictLearning
from nilearn.image import get_data
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker
from nilearn.regions import Parcellations, RegionExtractor

runs, mask = [run_of(subject) for subject in range(2)], brain_mask()
inside = get_data(mask) > 0

parcels, maps = {}, {}
for method, n_parcels in (("ward", 8), ("ward", 20), ("kmeans", 8)):
    learnt = Parcellations(
        method, n_parcels=n_parcels, mask=mask, standardize=False, random_state=0, verbose=0
    )
    parcels[f"{method}{n_parcels}"] = learnt.fit(runs).labels_img_
learnt = DictLearning(
    n_components=8, mask=mask, random_state=0, standardize="zscore_sample", verbose=0
)
maps["dictionary"] = learnt.fit(runs).components_img_
regions = RegionExtractor(maps["dictionary"], threshold=0.5, min_region_size=500).fit()
maps["regions"] = regions.regions_img_

results = {}
maskers = {
    name: NiftiLabelsMasker(image, mask_img=mask, standardize=None)
    for name, image in parcels.items()
}
maskers |= {
    name: NiftiMapsMasker(image, mask_img=mask, standardize=None) for name, image in maps.items()
}
for name, masker in maskers.items():
    signals = masker.fit_transform(runs[1])
    again = get_data(masker.inverse_transform(signals))
    left = (get_data(runs[1]) - again)[inside].var(axis=1).mean()
    explained = 1 - left / get_data(runs[1])[inside].var(axis=1).mean()
    print(f"{name}: {masker.n_elements_} regions explain {explained:.4f}")
    results |= {name: signals, f"{name} explained": explained}

np.savez("results.npz", **results)
