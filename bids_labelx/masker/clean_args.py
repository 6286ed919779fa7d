"""The options of a masker's cleaning, as keyword arguments of `bids_labelx.extraction.clean`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from bids_labelx.extraction.clean import prepare_cleaner

CLEAN = "clean__"
_BUTTERWORTH = "butterworth__"
_OF_A_CALL = {"n_volumes", "confounds", "sample_mask"}


def checked_clean_args(clean_args: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the cleaning: `clean_args`, or parameters that begin with ``clean__``.

    Raises
    ------
    TypeError
        Where `clean_args` is no dict, or there is no such option.
    ValueError
        Where there are both.
    """
    if clean_args is not None and not isinstance(clean_args, dict):
        raise TypeError(f"clean_args is a dict or None, got {clean_args!r}")
    options = {name.removeprefix(CLEAN): value for name, value in extra.items()}
    if clean_args is not None:
        if options:
            raise ValueError(
                "clean_args and parameters that begin with clean__ are mutually exclusive; give "
                f"{', '.join(options)} in clean_args"
            )
        options = dict(clean_args)
    known = set(inspect.signature(prepare_cleaner).parameters) - _OF_A_CALL
    unknown = [one for one in options if one not in known and not one.startswith(_BUTTERWORTH)]
    if unknown:
        raise TypeError(
            f"the cleaning has no option {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(sorted(known))} and {_BUTTERWORTH}…"
        )
    return options


def cleaning_of(masker: Any) -> dict[str, Any]:
    """Keyword arguments of `clean`, out of the parameters of a masker and its `clean_args_`."""
    extra = dict(masker.clean_args_)
    butterworth = {
        name.removeprefix(_BUTTERWORTH): extra.pop(name)
        for name in list(extra)
        if name.startswith(_BUTTERWORTH)
    }
    filtered = masker.low_pass is not None or masker.high_pass is not None
    return {
        "t_r": masker.t_r,
        "filter": "butterworth" if filtered else None,
        "low_pass": masker.low_pass,
        "high_pass": masker.high_pass,
        "detrend": masker.detrend,
        "standardize": masker.standardize,
        "standardize_confounds": masker.standardize_confounds,
        "butterworth": butterworth or None,
        **extra,
    }
