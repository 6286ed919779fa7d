"""The methods text: what was done with these settings, for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bids_labelx._version import __version__

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


_MOTION_24 = (
    "Friston KJ, et al. (1996). Movement-related effects in fMRI time-series. Magnetic Resonance "
    "in Medicine 35(3), 346-355. doi:10.1002/mrm.1910350312"
)
_LINDQUIST = (
    "Lindquist MA, et al. (2019). Modular preprocessing pipelines can reintroduce artifacts into "
    "fMRI data. Human Brain Mapping 40(8), 2358-2376. doi:10.1002/hbm.24528"
)

# By the group of a strategy file that asks for it.
_PAPERS = {
    "compcor": "Behzadi Y, et al. (2007). A component based noise correction method (CompCor) for "
    "BOLD and perfusion based fMRI. NeuroImage 37(1), 90-101. "
    "doi:10.1016/j.neuroimage.2007.04.042",
    "ica_aroma": "Pruim RHR, et al. (2015). ICA-AROMA: a robust ICA-based strategy for removing "
    "motion artifacts from fMRI data. NeuroImage 112, 267-277. "
    "doi:10.1016/j.neuroimage.2015.02.064",
    "scrub": "Power JD, et al. (2012). Spurious but systematic correlations in functional "
    "connectivity MRI networks arise from subject motion. NeuroImage 59(3), 2142-2154. "
    "doi:10.1016/j.neuroimage.2011.10.018",
}


@dataclass(frozen=True)
class MethodsStrategy:
    """What the methods text has to know of a denoising strategy.

    Attributes
    ----------
    name, description
        As users know it.
    options
        Groups of confounds and rules on volumes, as in a strategy file.
    clean
        Arguments of `bids_labelx.extraction.clean.clean`.
    """

    name: str
    description: str
    options: Mapping[str, Any]
    clean: Mapping[str, Any]


def methods_text(
    *,
    atlases: Iterable[str],
    strategies: Sequence[MethodsStrategy],
    statistics: Sequence[str],
    measures: Sequence[str],
    min_coverage: float,
    smoothing_fwhm: float | None = None,
    clean_level: str = "region",
    standardize_voxels: bool = False,
    mask: str = "brain",
    labels: Sequence[str] = (),
    concatenate: str | None = None,
    exact_volumes: Sequence[int] = (),
) -> str:
    """Plain paragraphs, parted by blank lines.

    Parameters
    ----------
    atlases
        Names of the atlases.
    strategies
        The denoising strategies.
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
    mask
        ``brain``, ``none`` or the name of a file.
    labels
        Those that were chosen, where not all were.
    concatenate, exact_volumes
        What matrices were also made of.
    """
    smoothed = before = chosen = ""
    if labels:
        chosen = f" Of these, {_listed(labels)} were taken."
    if smoothing_fwhm is not None:
        smoothed = f"Volumes were smoothed with a Gaussian of {smoothing_fwhm:g} mm FWHM. "
        before = " before smoothing"
    paragraphs = [
        f"Regional time series were extracted from preprocessed BOLD runs with bids_labelx "
        f"{__version__}, a BIDS App built on nipype (Gorgolewski et al., 2011) and PyBIDS "
        f"(Yarkoni et al., 2019). Labels of {_listed(atlases)} were brought onto the grid of each "
        f"run by nearest neighbour.{chosen} {smoothed}For each label the {_listed(statistics)} "
        "over its covered voxels was taken at each volume; a voxel counts as covered where "
        f"{_inside(mask)}its series is finite and not all zero{before}. Labels with less than "
        f"{min_coverage:g} of their voxels covered were treated as missing.",
    ]
    signals = "regional signals"
    if clean_level == "voxel":
        signals = "series of each labelled voxel, before these were reduced to labels,"
    denoised = any(one.name != "none" for one in strategies)
    for one in strategies:
        text = f"Denoising strategy “{one.name}”: {one.description}.{_steps(one.clean)}"
        paragraphs.append(text)
    if denoised:
        paragraphs.append(
            "Confounds went through the same steps as the signals; they were then standardised "
            f"and regressed out of the {signals} by least squares over the volumes that were kept."
        )
    if standardize_voxels and denoised:
        paragraphs.append(
            "Each denoised voxel was brought to zero mean and unit variance (n − 1) before the "
            "voxels of a label were reduced."
        )
    if measures:
        paragraphs.append(
            f"Between all pairs of regions the {_listed(_MEASURES[m] for m in measures)} of the "
            f"denoised signals {'was' if len(measures) == 1 else 'were'} computed."
        )
    if exact_volumes:
        numbers = _listed(map(str, exact_volumes))
        paragraphs[-1] += f" Matrices of the first {numbers} volumes kept were computed as well."
    if concatenate:
        whole = {"runs": "session", "sessions": "participant"}[concatenate]
        paragraphs[-1] += (
            f" For one matrix over all runs of a {whole}, each run was brought to zero mean and "
            "unit variance (n − 1) and the runs were put one behind the other."
        )
    references = [*_REFERENCES, *_cited(strategies)]
    shrunk = [m for m in measures if m in ("partial-correlation", "precision")]
    if shrunk:
        paragraphs[-1] += (
            f" The {_listed(shrunk).replace('-', ' ')} came from a covariance matrix without the "
            "missing labels, whose correlations, not variances, were shrunk towards zero by the "
            "formula of Ledoit and Wolf (2004) for signals at unit variance."
        )
        references.append(_LEDOIT_WOLF)
    return "\n\n".join([*paragraphs, "References", *sorted(references)])


def _inside(mask: str) -> str:
    return {"brain": "it is inside the brain mask and ", "none": ""}.get(
        mask, f"it is inside the mask {mask} and "
    )


def _cited(strategies: Sequence[MethodsStrategy]) -> list[str]:
    """The papers behind what the strategies take."""
    options = {key: value for one in strategies for key, value in one.options.items()}
    full = [one.options.get("motion") == "full" for one in strategies]
    cited = [_MOTION_24] if any(full) else []
    cited += [paper for key, paper in _PAPERS.items() if key in options]
    if any(one.clean.get("filter") == "butterworth" for one in strategies):
        cited.append(_LINDQUIST)
    return cited


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
