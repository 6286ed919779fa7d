"""One clean, named, checked signal per brain region, out of fMRIPrep-like derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bids_labelx._version import __version__

if TYPE_CHECKING:
    from bids_labelx.masker import (
        MultiNiftiLabelsMasker,
        MultiNiftiMapsMasker,
        NiftiLabelsMasker,
        NiftiMapsMasker,
        NiftiSpheresMasker,
    )

__all__ = [
    "MultiNiftiLabelsMasker",
    "MultiNiftiMapsMasker",
    "NiftiLabelsMasker",
    "NiftiMapsMasker",
    "NiftiSpheresMasker",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import the maskers when they are first asked for, so that ``--help`` stays fast."""
    if name in __all__:
        from bids_labelx import masker

        return getattr(masker, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for ``dir`` and tab completion."""
    return sorted(__all__)
