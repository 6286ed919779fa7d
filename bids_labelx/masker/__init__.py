"""Regional signals the scikit-learn way."""

from bids_labelx.masker.labels import MultiNiftiLabelsMasker, NiftiLabelsMasker
from bids_labelx.masker.maps import MultiNiftiMapsMasker, NiftiMapsMasker
from bids_labelx.masker.spheres import NiftiSpheresMasker

__all__ = [
    "MultiNiftiLabelsMasker",
    "MultiNiftiMapsMasker",
    "NiftiLabelsMasker",
    "NiftiMapsMasker",
    "NiftiSpheresMasker",
]
