"""The maskers with the signatures, defaults, warnings and exceptions of nilearn 0.14.1.

A script written for nilearn changes one line, ``from bids_labelx.nilearn_compat import …``. Where
`docs/explanation/differences.md` says that nilearn is wrong, these stay right.
"""

from bids_labelx.nilearn_compat.labels import MultiNiftiLabelsMasker, NiftiLabelsMasker
from bids_labelx.nilearn_compat.maps import MultiNiftiMapsMasker, NiftiMapsMasker
from bids_labelx.nilearn_compat.spheres import NiftiSpheresMasker

__all__ = [
    "MultiNiftiLabelsMasker",
    "MultiNiftiMapsMasker",
    "NiftiLabelsMasker",
    "NiftiMapsMasker",
    "NiftiSpheresMasker",
]
