"""What scikit-learn is told about maskers."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.utils import InputTags


@dataclass
class MaskerInputTags(InputTags):
    """Tags of the input: those of scikit-learn, and the two by which nilearn knows its maskers.

    Attributes
    ----------
    niimg_like
        Whether paths and images are taken.
    surf_img
        Whether nilearn's SurfaceImage is.
    """

    niimg_like: bool = True
    surf_img: bool = False
