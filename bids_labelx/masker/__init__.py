"""Regional signals the scikit-learn way."""

from bids_labelx.masker.labels import MultiNiftiLabelsMasker, NiftiLabelsMasker

__all__ = ["MultiNiftiLabelsMasker", "NiftiLabelsMasker"]
