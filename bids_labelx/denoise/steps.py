"""What cleaning did to a run, in words and in order."""

from __future__ import annotations

from bids_labelx.denoise.denoising import Denoising
from bids_labelx.extraction.clean import Cleaner

_INTERPOLATED = {"linear": "by straight lines", "spline": "by a cubic spline"}


def cleaning_steps(cleaner: Cleaner, chosen: Denoising) -> list[str]:
    """The steps of `cleaner` but standardising, those that did nothing left out.

    Parameters
    ----------
    cleaner
        As it fits the run.
    chosen
        The confounds and the sample mask that it was made of.
    """
    dummies = chosen.n_dummies
    censored = int((~chosen.kept).sum()) - dummies
    steps = [f"{_volumes(dummies, 'dummy ')} removed"] if dummies else []
    detrended = ["mean and linear trend removed"] if cleaner.detrend else []
    removed = [f"{_volumes(censored, 'censored ')} removed"] if censored else []
    if cleaner.band_pass is None:
        steps += removed + detrended
    else:
        if censored:
            steps.append(_interpolation(cleaner, censored))
        steps += [*detrended, _butterworth(cleaner)]
        if cleaner.censored == "drop":
            steps += removed
    drifts = cleaner.filter is not None and cleaner.filter.kind == "cosine"
    if cleaner.basis is not None:
        what = f"{len(chosen.columns)} confounds" if chosen.columns else ""
        cosines = f"cosine drifts up to {cleaner.filter.high_pass:g} Hz" if drifts else ""  # type: ignore[union-attr]
        steps.append(
            f"{' and '.join(filter(None, [what, cosines]))}, cleaned in the same way, "
            "regressed out by least squares over the kept volumes"
        )
    if cleaner.band_pass is None and cleaner.censored == "interpolate" and censored:
        steps.append(_interpolation(cleaner, censored))
    return steps


def _interpolation(cleaner: Cleaner, censored: int) -> str:
    options = cleaner.fill.keywords
    ends = (
        "those at the ends held at the nearest kept volume"
        if options["extrapolate"] == "hold"
        else "those at the ends cut off"
    )
    how = _INTERPOLATED[options["interpolation"]]
    return f"{_volumes(censored, 'censored ')} interpolated {how}, {ends}"


def _butterworth(cleaner: Cleaner) -> str:
    assert cleaner.filter is not None
    low, high = cleaner.filter.low_pass, cleaner.filter.high_pass
    band = (
        f"below {low:g} Hz" if high is None
        else f"above {high:g} Hz" if low is None
        else f"from {high:g} to {low:g} Hz"
    )  # fmt: skip
    return f"frequencies {band} passed by a Butterworth filter, forwards and backwards"


def _volumes(number: int, what: str) -> str:
    return f"{number} {what}volume{'' if number == 1 else 's'}"
