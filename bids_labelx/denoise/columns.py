"""Which columns of a confounds table the groups of a strategy stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bids_labelx.denoise.schema import EXPANSIONS
from bids_labelx.suggestions import closest

_SERIES = {
    "motion": ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"),
    "wm_csf": ("csf", "white_matter"),
    "global_signal": ("global_signal",),
}
_COSINE = re.compile(r"cosine\d+")
_AROMA = re.compile(r"aroma_motion_\d+")
_NON_STEADY_STATE = re.compile(r"non_steady_state_outlier\d+")

# fMRIPrep's cosines make a high-pass filter with this cut-off, in seconds.
_COSINE_CUTOFF = 128.0

# A cumulated share that is the threshold itself must not be missed by a rounding error.
_ROUNDING = 1e-9


# What makes a text in a list of columns a regular expression and no name.
_SPECIAL = re.compile(r"[\\^$*+?{}\[\]|().]")

# An entry of a list of columns: a text, or a table of name or pattern, and whether it is required.
Entry = str | Mapping[str, Any]


class Wanted(NamedTuple):
    """Columns to take, and what a group lacks, in words."""

    columns: list[str]
    lacking: list[str]


def wanted_columns(
    confounds: Mapping[str, Any],
    available: Sequence[str],
    *,
    n_volumes: int,
    t_r: float | None,
    metadata: Mapping[str, Any],
) -> Wanted:
    """The columns of a strategy's groups, each once, in the order of the groups.

    `available` are the columns of the table, `metadata` is what the JSON beside it says by column,
    and `t_r` the repetition time in seconds, where it is known.

    Raises
    ------
    ValueError
        Where the JSON says something else than a share of variance where one is used.
    """
    columns: list[str] = []
    lacking: list[str] = []
    for group, option in confounds.items():
        if group in ("first_row", "motion_filter", "tables"):
            continue
        if group == "high_pass":
            found = _cosines(available, n_volumes, t_r)
        elif group == "compcor":
            found = _compcor(option, available, metadata)
        elif group == "ica_aroma":
            found = _aroma(option, available)
        elif group == "columns":
            found = listed_columns(option, available)
        else:
            names = [s + tail for s in _SERIES[group] for tail in EXPANSIONS[option]]
            found = _named(names, available)
        columns += found.columns
        lacking += found.lacking
    return Wanted(list(dict.fromkeys(columns)), list(dict.fromkeys(lacking)))


def motion_parameters(available: Sequence[str]) -> Wanted:
    """The six motion parameters, translations first."""
    return _named(_SERIES["motion"], available)


def removed_components(confounds: Mapping[str, Any], available: Sequence[str]) -> list[str]:
    """The columns of the components that were taken out of the image that a strategy is for."""
    return _matching(_AROMA, available) if confounds.get("ica_aroma") == "full" else []


def split_motion(column: str) -> tuple[str, str] | None:
    """A motion regressor's parameter and expansion, or None where it is another regressor."""
    for parameter in _SERIES["motion"]:
        tail = column.removeprefix(parameter)
        if tail != column and tail in EXPANSIONS["full"]:
            return parameter, tail
    return None


def cosine_cutoff(columns: Sequence[str]) -> float | None:
    """The frequency in Hz that fMRIPrep's cosines among the columns are a high-pass of."""
    return 1 / _COSINE_CUTOFF if _matching(_COSINE, columns) else None


def non_steady_state(available: Sequence[str]) -> list[str]:
    """The columns that mark a non-steady-state volume each."""
    return _matching(_NON_STEADY_STATE, available)


def _matching(pattern: re.Pattern[str], available: Sequence[str]) -> list[str]:
    return [column for column in available if pattern.fullmatch(column)]


def _named(names: Sequence[str], available: Sequence[str]) -> Wanted:
    return Wanted(list(names), [name for name in names if name not in available])


def cosine_count(n_volumes: int, t_r: float) -> int:
    """How many cosines fMRIPrep has for so many volumes, those before the steady state left out.

    That is what nipype's `cosine_filter` makes of them: floor(2 N TR / 128 s) functions, of which
    the last is the constant and not written. Below 128 s there are none.
    """
    return max(int(2 * n_volumes * (1 / _COSINE_CUTOFF) * t_r), 1) - 1


def _cosines(available: Sequence[str], n_volumes: int, t_r: float | None) -> Wanted:
    cosines = _matching(_COSINE, available)
    steady = n_volumes - len(non_steady_state(available))
    too_short = t_r is not None and cosine_count(steady, t_r) == 0
    return Wanted(cosines, [] if cosines or too_short else ["cosine00"])


def _aroma(option: str, available: Sequence[str]) -> Wanted:
    if option == "full":  # the image has been denoised already
        return Wanted([], [])
    columns = _matching(_AROMA, available)
    return Wanted(columns, [] if columns else ["aroma_motion_01"])


def columns_by_entry(
    confounds: Mapping[str, Any], available: Sequence[str]
) -> dict[str, list[str]]:
    """What each entry of a strategy's list of columns takes, by its text; perhaps nothing."""
    entries: Sequence[Entry] = confounds.get("columns", ())
    return {entry_text(entry): matches(entry, available) for entry in entries}


def listed_columns(entries: Sequence[Entry], available: Sequence[str]) -> Wanted:
    """Columns by name, or by a regular expression for the whole name.

    A name has to be there unless the entry says otherwise. A regular expression need not match:
    of a participant who did not move, fMRIPrep writes no motion outliers.
    """
    columns: list[str] = []
    lacking = []
    for entry in entries:
        found = matches(entry, available)
        columns += found
        stated = None if isinstance(entry, str) else entry.get("required")
        if not found and (_is_name(entry) if stated is None else stated):
            text = entry_text(entry)
            dataset = "" if isinstance(entry, str) else entry.get("dataset", "")
            where = f" (of the dataset {dataset}: --datasets {dataset}=DIR)" if dataset else ""
            near = None if _SPECIAL.search(text) else closest(text, available)
            meant = f" (did you mean {near}?)" if near else ""
            shown = text if _is_name(entry) else f"any that matches {text!r}"
            lacking.append(f"{shown}{meant}{where}")
    return Wanted(columns, lacking)


def entry_text(entry: Entry) -> str:
    """The name or pattern that an entry of a list of columns has."""
    return entry if isinstance(entry, str) else str(entry.get("name") or entry["pattern"])


def _is_name(entry: Entry) -> bool:
    return not _SPECIAL.search(entry) if isinstance(entry, str) else "name" in entry


def of_dataset(entry: Entry, dataset: str) -> dict[str, Any]:
    """An entry of a list with the dataset that the column is expected in, for messages."""
    if not isinstance(entry, str):
        return {**entry, "dataset": dataset}
    key = "name" if _is_name(entry) else "pattern"
    return {key: entry, "required": _is_name(entry), "dataset": dataset}


def matches(entry: Entry, available: Sequence[str]) -> list[str]:
    """The columns that an entry takes; perhaps none."""
    text = entry_text(entry)
    # A name as it is comes first: that of an odd column may mean something else as a pattern.
    by_name = _is_name(entry) or (isinstance(entry, str) and text in available)
    if by_name:
        return [text] if text in available else []
    return _matching(re.compile(text), available)


def _compcor(
    options: Mapping[str, Any], available: Sequence[str], metadata: Mapping[str, Any]
) -> Wanted:
    """Components by mask.

    Their names do not say whose mask they are of: until fMRIPrep 20 all of the anatomical ones
    are ``a_comp_cor_XX``. The JSON does, and it lists more components than the table has.
    """
    if not metadata:
        lacking = "components of CompCor (no JSON beside the table says what each one is)"
        return Wanted([], [lacking])
    columns: list[str] = []
    lacking_masks = []
    for mask in options["masks"]:
        found = _strongest(_components(mask, metadata), options, metadata)
        columns += found
        lacking_masks += [] if found else [f"components of CompCor, {mask} (not in the JSON)"]
    return Wanted(columns, [c for c in columns if c not in available] + lacking_masks)


def _components(mask: str, metadata: Mapping[str, Any]) -> list[str]:
    """Names of a mask's components that fMRIPrep retained, the strongest first."""
    # As JSON sorts them, component 100 comes before component 11.
    return sorted(
        (
            name
            for name, about in metadata.items()
            if isinstance(about, dict)
            and about.get("Retained", True)
            and (
                about.get("Method") == "tCompCor"
                if mask == "temporal"
                else about.get("Method") == "aCompCor" and about.get("Mask") == mask
            )
        ),
        key=_number_at_end,
    )


def _number_at_end(name: str) -> tuple[int, str]:
    """What sorts names by the number at their end, however long that is."""
    digits = "".join(re.findall(r"[0-9]+$", name)).lstrip("0")
    return len(digits), digits


def _strongest(
    names: list[str], options: Mapping[str, Any], metadata: Mapping[str, Any]
) -> list[str]:
    """The first components: so many, or up to and with the one that reaches a share of variance.

    All where none does, or the JSON does not say how much a component explains: fMRIPrep keeps no
    more than needed for 50 % unless it is asked to return all. A ValueError where it says so with
    what is no share.
    """
    if "variance" not in options:
        return names[: options.get("components")]
    for number, name in enumerate(names, 1):
        reached = metadata[name].get("CumulativeVarianceExplained", 0)
        share = isinstance(reached, (int, float)) and not isinstance(reached, bool)
        # NaN is no number from 0 to 1, either; the sum of all shares may be a little above.
        if not share or not 0 <= reached <= 1 + _ROUNDING:
            raise ValueError(
                f"{name}: CumulativeVarianceExplained is {reached!r:.40} in the JSON beside the "
                "table, a number from 0 to 1 is expected"
            )
        if reached >= options["variance"] - _ROUNDING:
            return names[:number]
    return names
