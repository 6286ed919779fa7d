"""Names of regions, data frames, a region lost in the mask, and the maskers' reports."""

import warnings

import numpy as np
from gallery_data import brain_mask, label_atlas, label_table, probabilistic_atlas, run_of, seeds
from nilearn.image import math_img
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiSpheresMasker

run, atlas = run_of(subject=6), label_atlas()
masker = NiftiLabelsMasker(atlas, lut=label_table(), standardize="zscore_sample")
frame = masker.set_output(transform="pandas").fit_transform(run)
print(frame.columns.tolist(), frame.shape)
print(masker.region_ids_)
print(masker.lut_[["index", "name"]].to_string())

without = math_img("atlas != 11", atlas=atlas)
smaller = NiftiLabelsMasker(
    atlas, lut=label_table(), mask_img=without, standardize="zscore_sample"
)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    signals = smaller.fit_transform(run)
lost = set(masker.region_names_.values()) - set(smaller.region_names_.values())
print(signals.shape, lost, any("removed" in str(one.message) for one in told))

others = [
    NiftiMapsMasker(probabilistic_atlas(), mask_img=brain_mask(), standardize="zscore_sample"),
    NiftiSpheresMasker(seeds(), radius=7, mask_img=brain_mask(), standardize="zscore_sample"),
]
for number, one in enumerate([masker, *others]):
    page = one.fit(run).generate_report(title=f"Report {number}")
    page.save_as_html(f"report-{number}.html")
    text = str(page)
    print(
        type(one).__name__,
        f"Report {number}" in text,
        "standardize" in text,
        len(one.get_params()),
    )

np.savez("results.npz", frame=frame.to_numpy(), signals=signals)
