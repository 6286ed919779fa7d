"""What is asked of a dataset: conditions on entities, from ``--bids-filter-file`` and options.

The file has fMRIPrep's form, and its values mean what they mean there, which is what pybids makes
of them: null is "without this entity", ``*`` "with it, whatever its value", a list "any of these".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.inputs.matching import File, plain
from bids_labelx.names import ENTITY_ORDER

SECTIONS = ("bold", "mask", "confounds")

# What filter files of fMRIPrep and its kin ask of raw data, which is not looked at here.
_IGNORED = ("t1w", "t2w", "flair", "fmap", "sbref", "roi", "dwi", "pet", "asl")

# Names of entities in pybids and in BIDS' schema, by which filter files know them.
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
_KEYS = (*ENTITY_ORDER, "suffix", "extension", "datatype")

_IMAGES = (".nii", ".nii.gz")
_EXTENSIONS = {"bold": _IMAGES, "mask": _IMAGES, "confounds": (".tsv",)}


@dataclass(frozen=True)
class Condition:
    """What an entity, the suffix or the extension of a file has to be.

    Attributes
    ----------
    key
        The entity's short key, ``suffix`` or ``extension``.
    values
        Any of these; indices without zeros in front.
    absent, present
        Whether a file without the entity, and one with any value of it, will do.
    source
        Where the condition is from, in the user's words; empty for what holds by default.
    """

    key: str
    values: frozenset[str]
    absent: bool = False
    present: bool = False
    source: str = ""

    def __str__(self) -> str:
        words = [*sorted(self.values), *["(none)"] * self.absent, *["*"] * self.present]
        return f"{self.key} {'|'.join(words)}"

    def holds(self, file: File) -> bool:
        """Whether a file is as it has to be."""
        theirs = _values_of(file, self.key)
        if not theirs:
            return self.absent
        return self.present or not self.values.isdisjoint(theirs)


@dataclass(frozen=True)
class Query:
    """All conditions on one kind of file, in the order in which they are applied."""

    conditions: tuple[Condition, ...]

    @property
    def suffixes(self) -> frozenset[str]:
        """The suffixes that will do."""
        return next(one.values for one in self.conditions if one.key == "suffix")

    @property
    def pattern(self) -> str:
        """The end of the names that are looked for."""
        desc = next((one for one in self.conditions if one.key == "desc"), None)
        extension = ".tsv" if ".tsv" in self._extensions else ".nii.gz"
        words = "" if desc is None or not desc.values else f"_desc-{'|'.join(sorted(desc.values))}"
        return f"…{words}_{'|'.join(sorted(self.suffixes, reverse=True))}{extension}"

    @property
    def _extensions(self) -> frozenset[str]:
        return next(one.values for one in self.conditions if one.key == "extension")


@dataclass(frozen=True)
class Queries:
    """What is asked of BOLD images, of masks and of confounds tables.

    Attributes
    ----------
    bold, mask, confounds
        The queries.
    also
        Endings of names, ``mixing.tsv``, that are asked for beside the usual ones.
    """

    bold: Query
    mask: Query
    confounds: Query
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """The condition that removed the last file, and what those before it had instead."""

    condition: Condition
    there: str


def narrow(
    files: Iterable[File], conditions: Iterable[Condition]
) -> tuple[list[File], Removal | None]:
    """Keep the files that are as they have to be; say which condition removed the last one.

    There is nothing to say where no file was there in the first place.
    """
    kept = list(files)
    for condition in conditions:
        before, kept = kept, [file for file in kept if condition.holds(file)]
        if before and not kept:
            return [], Removal(condition, _there(before, condition.key))
    return kept, None


def _there(files: Sequence[File], key: str) -> str:
    nothing = "native" if key == "space" else "(none)"
    found = {_said(file, key) or nothing for file in files}
    return ", ".join(sorted(found))


def _said(file: File, key: str) -> str | None:
    if key in ("suffix", "extension"):
        return str(getattr(file.name, key))
    return (file.entities if key == "space" else file.name.entities).get(key)


def _values_of(file: File, key: str) -> tuple[str, ...]:
    """What an entity of a file can be called by; empty where it has none."""
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
    return (value, value.partition("+")[0]) if key == "space" else (value,)


def option_condition(option: str, key: str, wanted: Sequence[str], nothing: str = "") -> Condition:
    """The condition of an option such as ``--task-id rest``; `nothing` is its word for none."""
    values = frozenset(plain(key, value) for value in wanted if value != nothing)
    source = f"{option} {' '.join(wanted)}"
    return Condition(key, values, absent=nothing in wanted, source=source)


def read_queries(path: Path | None = None) -> Queries:
    """The queries that a filter file asks for, or the usual ones without a file.

    Raises
    ------
    MissingInputError, BadDataError
        With all mistakes in the file at once, a line each.
    """
    content = {} if path is None else _read(path)
    problems: list[str] = []
    unknown = [key for key in content if key not in (*SECTIONS, *_IGNORED)]
    if unknown:
        problems.append(
            f"there is no section {', '.join(map(repr, unknown))}: choose from "
            f"{', '.join(SECTIONS)} ({', '.join(_IGNORED)} may be there and are not looked at)"
        )
    found = {
        section: _conditions(section, content.get(section, {}), path, problems)
        for section in SECTIONS
    }
    if problems:
        raise BadDataError(f"--bids-filter-file {path}:\n" + "\n".join(problems))
    bold = _query("bold", found["bold"], "preproc", "bold")
    mask = _query("mask", found["mask"], "brain", "mask")
    confounds = _query("confounds", found["confounds"], "confounds", "timeseries", "regressors")
    also = [f"{suffix}.nii" for suffix in sorted(mask.suffixes - {"mask"})]
    if {"desc", "suffix"} & found["confounds"].keys():
        also += [f"{suffix}.tsv" for suffix in sorted(confounds.suffixes)]
    return Queries(bold, mask, confounds, tuple(also))


def _query(section: str, given: Mapping[str, Condition], desc: str, *suffixes: str) -> Query:
    """The conditions of a section: the usual ones first, then the file's in its order."""
    usual = {
        "suffix": Condition("suffix", frozenset(suffixes)),
        "extension": Condition("extension", frozenset(_EXTENSIONS[section])),
        "desc": Condition("desc", frozenset({desc})),
    }
    first = [condition for key, condition in usual.items() if key not in given]
    return Query((*first, *given.values()))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(
            f"--bids-filter-file {path}: cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise BadDataError(f"--bids-filter-file {path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadDataError(
            f"--bids-filter-file {path}: an object with {', '.join(SECTIONS)} is expected, "
            f"found {_kind(content)}"
        )
    return content


def _conditions(
    section: str, content: Any, path: Path | None, problems: list[str]
) -> dict[str, Condition]:
    """The conditions of a section by short key. What is wrong goes to `problems`."""
    if not isinstance(content, dict):
        problems.append(
            f"{section}: an object of entities is expected, found {_kind(content)} {content!r}"
        )
        return {}
    found: dict[str, Condition] = {}
    for name, value in content.items():
        key = str(_LONG.get(name, name))
        try:
            if key in found:
                raise ValueError(f"{key} is given twice")
            if condition := _condition(section, key, value, f"--bids-filter-file {path}"):
                found[key] = condition
        except ValueError as error:
            problems.append(f"{section}: {name}: {error}")
    return found


def _condition(section: str, key: str, value: Any, file: str) -> Condition | None:
    if key not in _KEYS:
        raise ValueError(
            f"there is no such entity; choose from {', '.join(_KEYS)}, or pybids' names for them "
            f"({', '.join(_LONG)})"
        )
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("an empty list leaves nothing; leave the entity out, or give a value")
    absent, present = None in items, "*" in items
    words = frozenset(_word(key, item) for item in items if item is not None and item != "*")
    if key == "datatype":
        # Entities come from names, and BOLD images lie in func/ by definition.
        if absent or words - {"func"}:
            raise ValueError(f"{json.dumps(value)}: it can only be func")
        return None
    if key in ("suffix", "extension") and (absent or present):
        raise ValueError(f"{json.dumps(value)}: it has to be said which")
    if key == "suffix" and (words != {"bold"} if section == "bold" else "bold" in words):
        expected = "it can only be bold" if section == "bold" else "bold is that of the image"
        raise ValueError(f"{json.dumps(value)}: {expected}")
    if key == "extension" and not words <= set(_EXTENSIONS[section]):
        raise ValueError(f"{json.dumps(value)}: choose from {', '.join(_EXTENSIONS[section])}")
    source = f"{file} ({section}: {key} {json.dumps(value)})"
    return Condition(key, words, absent, present, source)


def _word(key: str, item: Any) -> str:
    # In Python, true is a number, too.
    if isinstance(item, bool) or not isinstance(item, (str, int)):
        raise ValueError(
            f"{json.dumps(item)}: a string, a whole number, null, * or a list of them is expected"
        )
    text = str(item)
    if key == "extension":
        return f".{text.removeprefix('.')}"
    text = plain(key, text.removeprefix(f"{key}-"))
    if not re.fullmatch(r"[A-Za-z0-9+]+", text):
        raise ValueError(f"{json.dumps(item)}: a label has letters and digits only")
    return text


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return kinds.get(type(value), "true or false" if isinstance(value, bool) else "a number")
