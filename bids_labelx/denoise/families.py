"""Regressors by what they are of: counts for the methods text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bids_labelx.denoise.columns import split_motion
from bids_labelx.denoise.schema import EXPANSIONS

MOTION, COSINE, OTHER = "motion", "cosine", "other"
_FILTERED = "_filtered"
_SIGNALS = ("white_matter", "csf", "csf_wm", "global_signal")
_FAMILIES = {
    COSINE: r"cosine\d+",
    "aCompCor": r"[acw]_comp_cor_\d+",
    "tCompCor": r"t_comp_cor_\d+",
    "ICA-AROMA": r"aroma_motion_\d+",
    "orthogonalised ICA-AROMA": r"aroma_orth_motion_\d+",
    "tedana": r"ICA_\d+",
    "motion outlier": r"motion_outlier\d+",
    "non-steady-state outlier": r"non_steady_state_outlier\d+",
}


def count_families(columns: Sequence[str]) -> dict[str, int]:
    """How many regressors there are of each family.

    Motion parameters and tissue signals are told with their expansion, and signals with whose they
    are; expansions are the keys of `EXPANSIONS`, or ``some`` for others.

    >>> count_families(["csf", "white_matter", "cosine00", "cosine01", "rmsd"])
    {'white_matter+csf basic': 2, 'cosine': 2, 'other': 1}
    """
    motion: dict[str, set[str]] = {}
    signals: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for column in columns:
        name = column.removesuffix(_FILTERED)
        parameter = split_motion(name)
        signal = _split_signal(name)
        if parameter is not None:
            motion.setdefault(parameter[0], set()).add(parameter[1])
        elif signal is not None:
            signals.setdefault(signal[0], set()).add(signal[1])
        else:
            family = _family(column)
            counts[family] = counts.get(family, 0) + 1
    found = {}
    if motion:
        found[f"{MOTION} {_expansion(list(motion.values()), 6)}"] = sum(map(len, motion.values()))
    if signals:
        whose = "+".join(one for one in _SIGNALS if one in signals)
        expanded = _expansion(list(signals.values()), len(signals))
        found[f"{whose} {expanded}"] = sum(map(len, signals.values()))
    other = counts.pop(OTHER, 0)
    return {**found, **counts, **({OTHER: other} if other else {})}


def other_regressors(columns: Sequence[str]) -> list[str]:
    """The regressors that are of no known family."""
    return [
        column
        for column in columns
        if split_motion(column.removesuffix(_FILTERED)) is None
        and _split_signal(column) is None
        and _family(column) == OTHER
    ]


def _family(column: str) -> str:
    found = (name for name, pattern in _FAMILIES.items() if re.fullmatch(pattern, column))
    return next(found, OTHER)


def _split_signal(column: str) -> tuple[str, str] | None:
    for signal in _SIGNALS:
        if (tail := column.removeprefix(signal)) in EXPANSIONS["full"] and tail != column:
            return signal, tail
    return None


def _expansion(tails: Sequence[set[str]], series: int) -> str:
    """The expansion that all series have; ``some`` where it is none, or they differ."""
    for name, wanted in EXPANSIONS.items():
        if len(tails) == series and all(own == set(wanted) for own in tails):
            return name
    return "some"
