"""The methods text: what was done with these settings, for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bids_labelx import __version__

_REFERENCES = (
    "Gorgolewski KJ, et al. (2011). Nipype: a flexible, lightweight and extensible neuroimaging "
    "data processing framework in Python. Frontiers in Neuroinformatics 5, 13. "
    "doi:10.3389/fninf.2011.00013",
    "Yarkoni T, et al. (2019). PyBIDS: Python tools for BIDS datasets. Journal of Open Source "
    "Software 4(40), 1294. doi:10.21105/joss.01294",
)


_LEDOIT_WOLF = (
    "Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance "
    "matrices. Journal of Multivariate Analysis 88, 365-411. doi:10.1016/S0047-259X(03)00096-4"
)

_MEASURES = {
    "correlation": "Pearson correlation",
    "partial-correlation": "partial correlation",
    "covariance": "sample covariance",
    "precision": "precision (inverse covariance)",
}


def methods_text(
    *,
    atlases: Iterable[str],
    strategies: Sequence[tuple[str, str, Mapping[str, Any]]],
    statistics: Sequence[str],
    measures: Sequence[str],
    min_coverage: float,
    smoothing_fwhm: float | None = None,
    clean_level: str = "region",
    standardize_voxels: bool = False,
) -> str:
    """Plain paragraphs, parted by blank lines.

    Parameters
    ----------
    atlases
        Names of the atlases.
    strategies
        Name and description of each denoising strategy, and its settings of cleaning, by the
        arguments of `bids_labelx.extraction.clean.clean`.
    statistics, measures
        What was taken over the voxels of a label; what was computed between regions.
    min_coverage
        The share of its voxels that a label has to have covered.
    smoothing_fwhm
        Full width at half maximum, in mm, that volumes were smoothed with.
    clean_level
        ``region`` or ``voxel``: what was denoised.
    standardize_voxels
        Whether each denoised voxel was brought to unit variance.
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
    signals = "regional signals"
    if clean_level == "voxel":
        signals = "series of each labelled voxel, before these were reduced to labels,"
    for name, description, clean in strategies:
        steps = _steps(clean)
        paragraphs.append(f"Denoising strategy “{name}”: {description}.{steps}")
    if any(name != "none" for name, _, _ in strategies):
        paragraphs.append(
            "Confounds went through the same steps as the signals; they were then standardised "
            f"and regressed out of the {signals} by least squares over the volumes that were kept."
        )
    if standardize_voxels and any(name != "none" for name, _, _ in strategies):
        paragraphs.append(
            "Each denoised voxel was brought to zero mean and unit variance (n − 1) before the "
            "voxels of a label were reduced."
        )
    if measures:
        paragraphs.append(
            f"Between all pairs of regions the {_listed(_MEASURES[m] for m in measures)} of the "
            f"denoised signals {'was' if len(measures) == 1 else 'were'} computed."
        )
    references = list(_REFERENCES)
    shrunk = [m for m in measures if m in ("partial-correlation", "precision")]
    if shrunk:
        paragraphs[-1] += (
            f" The {_listed(shrunk).replace('-', ' ')} came from a covariance matrix without the "
            "missing labels, whose correlations, not variances, were shrunk towards zero by the "
            "formula of Ledoit and Wolf (2004) for signals at unit variance."
        )
        references.insert(1, _LEDOIT_WOLF)
    return "\n\n".join([*paragraphs, "References", *references])


def _steps(clean: Mapping[str, Any]) -> str:
    """Sentences on censoring, trend, filter and scale."""
    kind = clean.get("filter")
    sentences = []
    if kind == "butterworth":
        sentences.append(
            "Censored volumes were replaced by a cubic spline over the kept ones until the filter "
            "was done"
        )
    if clean.get("detrend"):
        sentences.append("Linear trends were removed")
    if kind == "butterworth":
        order = clean.get("butterworth", {}).get("order", 5)
        sentences.append(
            f"A Butterworth filter of order {order}, run forwards and backwards, kept "
            f"{_band(clean.get('high_pass'), clean.get('low_pass'))}"
        )
    elif kind == "cosine":
        sentences.append(f"Cosines up to {clean['high_pass']:g} Hz joined the confounds")
    scale = {
        "zscore_sample": "Signals were brought to unit variance (n − 1)",
        "zscore": "Signals were brought to unit variance (n)",
        "psc": "Signals are in percent of their mean",
    }.get(str(clean.get("standardize")))
    sentences += [scale] if scale else []
    return "".join(f" {sentence}." for sentence in sentences)


def _band(low: float | None, high: float | None) -> str:
    if low is None:
        return f"what is below {high:g} Hz"
    return f"what is above {low:g} Hz" if high is None else f"{low:g} to {high:g} Hz"


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
