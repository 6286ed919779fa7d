"""Query filters on BIDS entities: the defaults, ``--bids-filter-file``, and options.

The filter file has fMRIPrep's form, and its values mean what they mean to fMRIPrep and pybids:
null is "without this entity", ``*`` "with it, whatever its value", a list "any of these".
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.files import read_json
from bids_labelx.inputs.matching import CPAC_ENTITIES, File, normalize_value
from bids_labelx.names import ENTITY_ORDER, FIRST_DATASET, TableQuery
from bids_labelx.suggestions import did_you_mean

SECTIONS = ("bold", "mask", "confounds")

# Sections for raw data, which this app does not read.
_IGNORED = ("t1w", "t2w", "flair", "fmap", "sbref", "roi", "dwi", "pet", "asl")

# Short keys by the names that entities have in pybids and in BIDS' schema.
_LONG = {
    "template": "tpl",
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "tracer": "trc",
    "staining": "stain",
    "reconstruction": "rec",
    "direction": "dir",
    "modality": "mod",
    "inversion": "inv",
    "mtransfer": "mt",
    "processing": "proc",
    "hemisphere": "hemi",
    "segmentation": "seg",
    "resolution": "res",
    "density": "den",
    "statistic": "stat",
    "description": "desc",
}
# The label of a mask that is no brain mask, though it is called _mask.
NO_BRAIN_MASK = "goodvoxels"

_KEYS = (*ENTITY_ORDER, *CPAC_ENTITIES, "suffix", "extension", "datatype")


def read_defaults() -> dict[str, dict[str, list[str]]]:
    """The default queries: values by entity, and `index_by`, of each of the sections."""
    text = (files("bids_labelx") / "data" / "queries.toml").read_text("utf-8")
    return tomllib.loads(text)


@dataclass(frozen=True)
class Condition:
    """The values allowed for an entity, the suffix or the extension of a file.

    Attributes
    ----------
    key
        The entity's short key, ``suffix`` or ``extension``.
    values
        Any of these; indices without leading zeros.
    absent, present
        Whether a file without the entity, and one with any value of it, matches.
    source
        The option or section of the filter file that it is from; empty for a default.
    """

    key: str
    values: frozenset[str]
    absent: bool = False
    present: bool = False
    source: str = ""

    def __str__(self) -> str:
        words = [*sorted(self.values), *["(none)"] * self.absent, *["*"] * self.present]
        return f"{self.key} {'|'.join(words)}"

    def matches(self, file: File) -> bool:
        """Whether a file has one of the values."""
        values = _entity_values(file, self.key)
        if not values:
            return self.absent
        return self.present or not self.values.isdisjoint(values)


@dataclass(frozen=True)
class Query:
    """The conditions on one kind of file, in the order in which they are applied.

    Attributes
    ----------
    conditions
        The conditions.
    dataset
        The name of the dataset that the files are in.
    """

    conditions: tuple[Condition, ...]
    dataset: str = FIRST_DATASET

    @property
    def suffixes(self) -> frozenset[str]:
        """The suffixes allowed."""
        return next(one.values for one in self.conditions if one.key == "suffix")

    @property
    def pattern(self) -> str:
        """The end of the file names, for messages."""
        desc = next((one for one in self.conditions if one.key == "desc"), None)
        (own,) = (one.values for one in self.conditions if one.key == "extension")
        extension = ".nii.gz" if ".nii.gz" in own else "|".join(sorted(own))
        words = "" if desc is None or not desc.values else f"_desc-{'|'.join(sorted(desc.values))}"
        return f"…{words}_{'|'.join(sorted(self.suffixes, reverse=True))}{extension}"


@dataclass(frozen=True)
class Queries:
    """The queries of BOLD images, masks and confounds tables.

    Attributes
    ----------
    bold, surface, mask, confounds
        The queries; BOLD images are on a voxel grid, or on surfaces or grayordinates.
    also
        Endings of file names to index beside the default ones, ``mixing.tsv``.
    """

    bold: Query
    surface: Query
    mask: Query
    confounds: Query
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """The condition that removed the last file, and the values found instead."""

    condition: Condition
    found: str


def apply_conditions(
    files: Iterable[File], conditions: Iterable[Condition]
) -> tuple[list[File], Removal | None]:
    """The files that match all conditions, or else the condition that removed the last one.

    There is no such condition if there was no file in the first place.
    """
    kept = list(files)
    for condition in conditions:
        before, kept = kept, [file for file in kept if condition.matches(file)]
        if before and not kept:
            return [], Removal(condition, _values_found(before, condition.key))
    return kept, None


def unmatched(condition: Condition, files: Sequence[File]) -> list[str]:
    """The values of a condition that no file has, with what may have been meant by each."""
    have = {value for file in files for value in _entity_values(file, condition.key)}
    return [
        f"{value}{did_you_mean(value, sorted(have))}"
        for value in sorted(condition.values)
        if value not in have
    ]


def _values_found(files: Iterable[File], key: str) -> str:
    """The values of an entity as they stand in names, for a message."""
    if key in ("suffix", "extension"):
        return ", ".join(sorted({str(getattr(file.name, key)) for file in files}))
    if key == "space":
        return ", ".join(sorted({file.entities.get(key, "native") for file in files}))
    return ", ".join(sorted({file.name.entities.get(key, "(none)") for file in files}))


def _entity_values(file: File, key: str) -> tuple[str, ...]:
    """The values of an entity that a condition may ask for; empty where it is absent."""
    if key in ("suffix", "extension"):
        return (str(getattr(file.name, key)),)
    if key == "desc":
        value = file.name.entities.get("desc")
    elif key == "cohort":
        value = file.entities.get("space", "").partition("+")[2] or file.entities.get("cohort")
    else:
        value = file.entities.get(key)
    if value is None:
        return ()
    # MNIInfant is the space of all of its cohorts.
    if key == "space":
        # fsaverage with den-10k is fsaverage5, too.
        return value, value.partition("+")[0], file.name.entities.get("space", value)
    return (value,)


def option_condition(option: str, key: str, wanted: Sequence[str], nothing: str = "") -> Condition:
    """The condition of an option such as ``--task-id rest``; `nothing` stands for absent."""
    values = frozenset(normalize_value(key, value) for value in wanted if value != nothing)
    source = f"{option} {' '.join(wanted)}"
    return Condition(key, values, absent=nothing in wanted, source=source)


def read_queries(
    path: Path | None = None, datasets: Collection[str] = (FIRST_DATASET,)
) -> Queries:
    """The default queries with the conditions of a filter file in place of theirs.

    `datasets` are the names that its sections may choose from.

    Raises
    ------
    MissingInputError, BadDataError
        With all mistakes in the file at once, a line each.
    """
    content = {} if path is None else _read_filter_file(path)
    defaults = read_defaults()
    problems: list[str] = []
    unknown = [key for key in content if key not in (*SECTIONS, *_IGNORED)]
    if unknown:
        words = [f"{key!r}{did_you_mean(key, SECTIONS)}" for key in unknown]
        problems.append(
            f"there is no section {', '.join(words)}: choose from "
            f"{', '.join(SECTIONS)} ({', '.join(_IGNORED)} are allowed and ignored)"
        )
    given = {
        section: _parse_section(section, content.get(section, {}), path, datasets, problems)
        for section in SECTIONS
    }
    if problems:
        raise BadDataError(f"--bids-filter-file {path}:\n" + "\n".join(problems))
    names = {one: content.get(one, {}).get("dataset", FIRST_DATASET) for one in SECTIONS}
    bold, mask, confounds = (
        _merge(defaults[section], given[section], names[section]) for section in SECTIONS
    )
    surface = _merge(defaults["surface"], given["bold"], names["bold"])
    also = [f"{suffix}.nii" for suffix in sorted(mask.suffixes - {*defaults["mask"]["suffix"]})]
    if {"desc", "suffix"} & given["confounds"].keys():
        also += [f"{suffix}.tsv" for suffix in sorted(confounds.suffixes)]
    return Queries(bold, surface, mask, confounds, tuple(also))


def _merge(
    default: Mapping[str, Sequence[str]], given: Mapping[str, Condition], dataset: str
) -> Query:
    """The default conditions that are not replaced, then those given, in their order."""
    keys = [key for key in default if key not in ("index_by", *given)]
    own = [Condition(k, frozenset(default[k]) - {""}, absent="" in default[k]) for k in keys]
    return Query((*own, *given.values()), dataset)


def table_query(wanted: TableQuery) -> Query:
    """The query for a table that a strategy takes columns from."""
    return Query(
        (
            Condition("suffix", frozenset({wanted.suffix})),
            Condition("extension", frozenset({wanted.extension})),
            Condition("desc", frozenset({wanted.desc} - {""}), absent=not wanted.desc),
        ),
        wanted.dataset,
    )


def _read_filter_file(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except LabelxError as error:
        raise type(error)(f"--bids-filter-file {error}") from None


def _parse_section(
    section: str,
    content: Any,
    path: Path | None,
    datasets: Collection[str],
    problems: list[str],
) -> dict[str, Condition]:
    """The conditions of a section by short key; `problems` gets what is wrong."""
    if not isinstance(content, dict):
        problems.append(
            f"{section}: an object of entities is expected, found {_kind(content)} {content!r}"
        )
        return {}
    found: dict[str, Condition] = {}
    for name, value in content.items():
        if name == "dataset":
            if not isinstance(value, str) or value not in datasets:
                known = ", ".join(datasets)
                problems.append(
                    f"{section}: dataset: {json.dumps(value)}: choose from {known}, "
                    "or name it with --datasets"
                )
            continue
        key = str(_LONG.get(name, name))
        try:
            if key in found:
                raise ValueError(f"{key} is given twice")
            if condition := _parse_condition(section, key, value, f"--bids-filter-file {path}"):
                found[key] = condition
        except ValueError as error:
            problems.append(f"{section}: {name}: {error}")
    return found


def _parse_condition(section: str, key: str, value: Any, file: str) -> Condition | None:
    if key not in _KEYS:
        raise ValueError(
            f"there is no such entity{did_you_mean(key, [*_KEYS, *_LONG])}; choose from "
            f"{', '.join(_KEYS)}, or pybids' names for them "
            f"({', '.join(_LONG)})"
        )
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("an empty list leaves nothing; remove the entity, or give a value")
    absent, present = None in items, "*" in items
    words = frozenset(_parse_value(key, i) for i in items if i is not None and i != "*")
    if key == "datatype":
        # Entities are those of names, and BOLD images are in func/ by definition.
        if absent or words - {"func"}:
            raise ValueError(f"{json.dumps(value)}: it can only be func")
        return None
    if key in ("suffix", "extension") and (absent or present):
        raise ValueError(f"{json.dumps(value)}: it has to be said which")
    if section == "mask" and key == "desc" and NO_BRAIN_MASK in words:
        raise ValueError(
            f"{json.dumps(value)}: goodvoxels is no brain mask but the voxels that fMRIPrep maps "
            "to surfaces; --mask FILE takes one mask for all runs"
        )
    if key == "suffix" and (words != {"bold"} if section == "bold" else "bold" in words):
        expected = "it can only be bold" if section == "bold" else "bold is that of the image"
        raise ValueError(f"{json.dumps(value)}: {expected}")
    if key == "extension" and not words <= set(allowed := _extensions(section)):
        raise ValueError(f"{json.dumps(value)}: choose from {', '.join(allowed)}")
    source = f"{file} ({section}: {key} {json.dumps(value)})"
    return Condition(key, words, absent, present, source)


def _extensions(section: str) -> list[str]:
    """The extensions that the files of a section may have."""
    defaults = read_defaults()
    sections = ("bold", "surface") if section == "bold" else (section,)
    return [extension for one in sections for extension in defaults[one]["extension"]]


def _parse_value(key: str, item: Any) -> str:
    # A bool is an int.
    if isinstance(item, bool) or not isinstance(item, (str, int)):
        raise ValueError(
            f"{json.dumps(item)}: a string, a whole number, null, * or a list of them is expected"
        )
    text = str(item)
    if key == "extension":
        return f".{text.removeprefix('.')}"
    text = normalize_value(key, text.removeprefix(f"{key}-"))
    # C-PAC before 1.8.5 numbers what differs: desc-preproc-1.
    if not re.fullmatch(r"[A-Za-z0-9+]+(-\d+)?" if key == "desc" else r"[A-Za-z0-9+]+", text):
        raise ValueError(f"{json.dumps(item)}: a label has letters and digits only")
    return text


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return kinds.get(type(value), "true or false" if isinstance(value, bool) else "a number")
