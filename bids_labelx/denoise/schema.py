"""What a strategy file may say, and where in the file it says something else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bids_labelx.denoise.consistency import COMPCOR_MASKS, KeyPath, wrong_together
from bids_labelx.denoise.xcp_d import strategy_of_xcp_d
from bids_labelx.errors import BadDataError
from bids_labelx.files import parse_json, parse_toml, read_text
from bids_labelx.names import FIRST_DATASET, is_dataset_name
from bids_labelx.suggestions import did_you_mean

# A series expands into itself, its backward difference, and the squares of both
# (Satterthwaite et al. 2013, doi:10.1016/j.neuroimage.2012.08.052).
EXPANSIONS = {
    "basic": ("",),
    "power2": ("", "_power2"),
    "derivatives": ("", "_derivative1"),
    "full": ("", "_derivative1", "_power2", "_derivative1_power2"),
}


# Above any number of volumes, order of a filter or threshold.
_LARGEST = 2**31


class Rule(NamedTuple):
    """What a value has to be: a test, and the same in words."""

    holds: Callable[[Any], bool]
    words: str


def _is_number(value: Any) -> bool:
    # True and False are integers in Python, not in a strategy file.
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # No more than a float holds: an integer of TOML has as many digits as one likes.
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= _LARGEST


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _one_of(*words: str) -> Rule:
    return Rule(lambda value: isinstance(value, str) and value in words, ", ".join(words))


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(value) and re.compile(value) is not None
    except (re.error, OverflowError, RecursionError):
        # The latter two: a{99999999999}, and brackets nested too deep.
        return False


def _is_entry(value: Any) -> bool:
    """Whether it is an entry of a list of columns; see `bids_labelx.denoise.columns`."""
    if not isinstance(value, dict):
        return _is_pattern(value)
    required, named = value.get("required", True), {"name", "pattern"} & value.keys()
    if value.keys() - {"name", "pattern", "required"} or not isinstance(required, bool):
        return False
    if named == {"name"}:
        return isinstance(value["name"], str) and bool(value["name"])
    return named == {"pattern"} and _is_pattern(value["pattern"])


def _list_of(holds: Callable[[Any], bool], words: str) -> Rule:
    return Rule(
        lambda value: isinstance(value, list) and bool(value) and all(map(holds, value)), words
    )


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+]+", value) is not None


_TEXT = Rule(lambda value: isinstance(value, str) and bool(value.strip()), "a text")
_YES_NO = Rule(lambda value: isinstance(value, bool), "true, false")
_POSITIVE = Rule(lambda value: _is_number(value) and value > 0, "a number above 0")
_COUNT = Rule(is_count, "a whole number, 0 or more")
_ONE_OR_MORE = Rule(lambda value: is_count(value) and value > 0, "a whole number, 1 or more")
# A filter of a higher order rings for longer than a run.
_ORDER = Rule(lambda value: is_count(value) and 1 <= value <= 20, "a whole number, 1 to 20")
_SHARE = Rule(
    lambda value: _is_number(value) and 0 < value <= 1, "a share of the variance, above 0 to 1"
)
_EXPANSION = _one_of(*EXPANSIONS)

_LABEL = Rule(_is_label, "a label of letters and digits")
_DATASET = Rule(
    lambda value: isinstance(value, str) and is_dataset_name(value),
    f"a name of --datasets, of letters, digits, - and _, or {FIRST_DATASET}",
)
# C-PAC before 1.8.5 writes _movement-parameters.1D.
_SUFFIX = Rule(
    lambda value: isinstance(value, str) and all(map(_is_label, value.split("-"))),
    "letters, digits and hyphens",
)
_ENTITIES = Rule(
    lambda value: (
        isinstance(value, dict)
        and all(re.fullmatch(r"[a-z]+", key) and _is_label(label) for key, label in value.items())
    ),
    'a table of entities with their labels, { reg = "36Parameter" }',
)

# By key a rule, a schema, or in a list the schema of each table of a list.
Schema = Mapping[str, Any]

CLEAN: Schema = {
    "filter": _one_of("butterworth", "cosine", "none"),
    "low_pass": _POSITIVE,
    "high_pass": _POSITIVE,
    "detrend": _YES_NO,
    "standardize": _one_of("none", "zscore_sample", "zscore", "psc"),
    "standardize_confounds": _YES_NO,
    "butterworth": {
        "order": _ORDER,
        "padtype": _one_of("odd", "even", "constant", "none"),
        "padlen": Rule(
            lambda value: value == "run" or is_count(value), "a number of volumes, or run for most"
        ),
    },
    "interpolation": _one_of("linear", "spline"),
    "censored_ends": _one_of("cut", "hold"),
}
_MOTION_FILTER: Schema = {
    "type": _one_of("notch", "lp"),
    "band_stop_min": _POSITIVE,
    "band_stop_max": _POSITIVE,
}
SCRUB: Schema = {
    "fd_threshold": _POSITIVE,
    "std_dvars_threshold": _POSITIVE,
    "min_segment": _COUNT,
    "motion_filter": _MOTION_FILTER,
}
_COLUMNS = _list_of(
    _is_entry,
    "a list of column names, regular expressions, and tables of name or pattern, and required "
    "(true or false)",
)
_TABLE: Schema = {
    "dataset": _DATASET,
    "suffix": _SUFFIX,
    "desc": _LABEL,
    "entities": _ENTITIES,
    "extension": _one_of(".tsv", ".txt", ".par", ".1D", ".csv"),
    "columns": _COLUMNS,
    "first_volume": _COUNT,
    "motion_source": _one_of("fsl", "spm", "afni"),
    "tedana": _one_of("rejected", "rejected_orthogonalized"),
    "censored": _TEXT,
    "required": _YES_NO,
}
SCHEMA: Schema = {
    "name": _TEXT,
    "description": _TEXT,
    "source": _TEXT,
    "images": _list_of(_is_label, "a list of desc- labels"),
    "confounds": {
        "first_row": _one_of("next", "zero"),
        "motion_filter": _MOTION_FILTER,
        "high_pass": _YES_NO,
        "motion": _EXPANSION,
        "wm_csf": _EXPANSION,
        "global_signal": _EXPANSION,
        "compcor": {
            "masks": _list_of(
                lambda value: isinstance(value, str) and value in COMPCOR_MASKS,
                f"a list out of {', '.join(COMPCOR_MASKS)}",
            ),
            "components": _ONE_OR_MORE,
            "variance": _SHARE,
        },
        "ica_aroma": _one_of("basic", "full"),
        "columns": _COLUMNS,
        "tables": [_TABLE],
    },
    "volumes": {
        "non_steady_state": Rule(
            lambda value: isinstance(value, bool) or is_count(value),
            "true, false, or how many volumes at the start",
        ),
        "scrub": SCRUB,
    },
    "clean": CLEAN,
}


def read_strategy_file(path: Path) -> dict[str, Any]:
    """The content of a user's strategy file, checked; ``.yml`` and ``.yaml`` are XCP-D's.

    Raises
    ------
    MissingInputError
        Where it cannot be read.
    BadDataError
        Where it is no TOML, JSON or YAML, or says what a strategy cannot; all such places are
        listed, each with its line, what was found and what is allowed.
    """
    text, ending = read_text(path), path.suffix.lower()
    if ending not in (".yml", ".yaml"):
        return parse_strategy(text, str(path), is_json=ending == ".json")
    content = strategy_of_xcp_d(text, str(path))
    _refuse_problems(content, str(path), lambda _: None)
    return content


def parse_strategy(text: str, source: str, *, is_json: bool = False) -> dict[str, Any]:
    """The content of a strategy file, checked; see `read_strategy_file` for the errors."""
    try:
        content = parse_json(text) if is_json else parse_toml(text)
    except json.JSONDecodeError as error:
        raise BadDataError(f"{source}, line {error.lineno}: is no JSON ({error.msg})") from None
    except ValueError as error:
        # A message about TOML ends with the place.
        kind = "JSON" if is_json else "TOML"
        raise BadDataError(f"{source}: is no {kind} ({error})") from None
    if not isinstance(content, dict):
        raise BadDataError(
            f"{source}, line 1: is {content!r:.40}; allowed is an object with the keys "
            f"{', '.join(SCHEMA)}"
        )
    find = _json_line if is_json else _toml_line
    _refuse_problems(content, source, lambda keys: find(text, keys))
    return content


def _refuse_problems(
    content: Mapping[str, Any], source: str, line_of: Callable[[KeyPath], int | None]
) -> None:
    # What does not go together can only be judged where each value is right by itself.
    problems = list(_wrong_values(content, SCHEMA)) or list(wrong_together(content))
    if problems:
        lines = [f"{source}{_at(line_of(keys))}: {message}" for keys, message in problems]
        raise BadDataError("\n".join(lines))


def _wrong_values(
    content: Mapping[str, Any], schema: Schema, above: KeyPath = ()
) -> Iterator[tuple[KeyPath, str]]:
    """Unknown keys and wrong values, each with where it is."""
    for key, value in content.items():
        keys = (*above, key)
        dotted = ".".join(keys)
        allowed = schema.get(key)
        if allowed is None:
            meant = did_you_mean(key, schema)
            yield keys, f"{dotted} is unknown{meant}; allowed here: {', '.join(schema)}"
        elif isinstance(allowed, Rule):
            if not allowed.holds(value):
                yield keys, f"{dotted} is {_shown(value)}; allowed: {allowed.words}"
        elif isinstance(allowed, list):
            if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                yield keys, f"{dotted} is {_shown(value)}; allowed: tables [[{dotted}]]"
                continue
            for one in value:
                yield from _wrong_values(one, allowed[0], keys)
        elif not isinstance(value, dict):
            yield keys, f"{dotted} is {_shown(value)}; allowed: a table of {', '.join(allowed)}"
        else:
            yield from _wrong_values(value, allowed, keys)


def _shown(value: Any) -> str:
    shown = json.dumps(value, default=str)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _at(line: int | None) -> str:
    return "" if line is None else f", line {line}"


def _toml_line(text: str, keys: KeyPath) -> int | None:
    """The line of a key, or of the table that it stands in."""
    found, depth = None, 0
    table: Sequence[str] = ()
    for number, line in enumerate(text.splitlines(), 1):
        # No one pattern for the line: of some lines it would take very long.
        inside, bracket, _ = line.strip().lstrip("[").partition("]")
        key, equals, _ = line.partition("=")
        if line.lstrip().startswith("[") and bracket:
            here = table = _dotted(inside)
        elif equals and re.fullmatch(r"[\w.\"' -]+", key.strip()):
            here = [*table, *_dotted(key)]
        else:
            continue
        shared = len(here) if list(keys[: len(here)]) == list(here) else 0
        if shared > depth:
            found, depth = number, shared
    return found


def _dotted(key: str) -> list[str]:
    # A name in quotes may hold dots; no key of ours does, and a wrong one is found by its table.
    return [part.strip(" \"'") for part in key.split(".")]


def _json_line(text: str, keys: KeyPath) -> int | None:
    """The line of a key, looked for behind the keys above it."""
    at, found = 0, None
    for key in keys:
        match = re.compile(re.escape(json.dumps(key)) + r"\s*:").search(text, at)
        if match is None:
            break
        at, found = match.end(), text.count("\n", 0, match.start()) + 1
    return found
