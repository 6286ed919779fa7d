"""The methods text: what was done with these settings, for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bids_labelx import __version__

_REFERENCES = (
    "Gorgolewski KJ, et al. (2011). Nipype: a flexible, lightweight and extensible neuroimaging "
    "data processing framework in Python. Frontiers in Neuroinformatics 5, 13. "
    "doi:10.3389/fninf.2011.00013",
    "Yarkoni T, et al. (2019). PyBIDS: Python tools for BIDS datasets. Journal of Open Source "
    "Software 4(40), 1294. doi:10.21105/joss.01294",
)


def methods_text(
    *,
    atlases: Iterable[str],
    strategies: Sequence[tuple[str, str]],
    statistics: Sequence[str],
    measures: Sequence[str],
    min_coverage: float,
    smoothing_fwhm: float | None = None,
    clean_level: str = "region",
) -> str:
    """Plain paragraphs, parted by blank lines.

    Parameters
    ----------
    atlases
        Names of the atlases.
    strategies
        Name and description of each denoising strategy.
    statistics, measures
        What was taken over the voxels of a label; what was computed between regions.
    min_coverage
        The share of its voxels that a label has to have covered.
    smoothing_fwhm
        Full width at half maximum, in mm, that volumes were smoothed with.
    clean_level
        ``region`` or ``voxel``: what was denoised.
    """
    smoothed = before = ""
    if smoothing_fwhm is not None:
        smoothed = f"Volumes were smoothed with a Gaussian of {smoothing_fwhm:g} mm FWHM. "
        before = " before smoothing"
    paragraphs = [
        f"Regional time series were extracted from preprocessed BOLD runs with bids_labelx "
        f"{__version__}, a BIDS App built on nipype (Gorgolewski et al., 2011) and PyBIDS "
        f"(Yarkoni et al., 2019). Labels of {_listed(atlases)} were brought onto the grid of each "
        f"run by nearest neighbour. {smoothed}For each label the {_listed(statistics)} over its "
        "covered voxels was taken at each volume; a voxel counts as covered where it is inside "
        f"the brain mask and its series is finite and not all zero{before}. Labels with less than "
        f"{min_coverage:g} of their voxels covered were treated as missing.",
    ]
    for name, description in strategies:
        paragraphs.append(f"Denoising strategy “{name}”: {description}.")
    if any(name != "none" for name, _ in strategies):
        signals = "regional signals"
        if clean_level == "voxel":
            signals = "series of each labelled voxel, before these were reduced to labels,"
        paragraphs.append(
            "Volumes that a strategy leaves out were removed first; its confounds were then "
            f"standardised and regressed out of the {signals} by least squares. The mean of each "
            "was kept, and no further filter was applied."
        )
    if measures:
        paragraphs.append(
            f"Between all pairs of regions the Pearson {_listed(measures)} of the denoised "
            "signals was computed."
        )
    return "\n\n".join([*paragraphs, "References", *_REFERENCES])


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
