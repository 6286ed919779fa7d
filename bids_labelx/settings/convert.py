"""Converters: what was typed or read from a file in, a checked value out, or a ValueError."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bids_labelx.remote.urls import as_setting, checked_url, is_url
from bids_labelx.suggestions import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

# Above any number of volumes, processes, or value of a label.
_LARGEST = 2**31 - 1

# As many as there are letters to name them by.
_MOST_MODELS = 26

# How the argument of an atlas begins that each run has a segmentation of its own for.
DERIVATIVE = "derivative:"

# The ends of files of labels on surfaces, beside those of NIfTI.
_SURFACE = r"\.gii|\.annot"


def folder(value: Any) -> Path:
    """The absolute path of a folder, or a URL in its place: see `urls.as_setting`."""
    text = str(value)
    found = checked_url(text) if is_url(text) else text
    return as_setting(found) if is_url(found) else path(found)


def output(value: Any) -> Path:
    """The absolute path of the folder for the results."""
    text = str(value)
    found = checked_url(text) if is_url(text) else text
    if is_url(found):
        raise ValueError(
            f"{found!r}: results are written to a folder on this machine; give one, and copy it "
            "afterwards, with `aws s3 sync`, `gcloud storage rsync` or `rclone sync`"
        )
    return path(found)


def path(value: Any) -> Path:
    """An absolute path."""
    from pathlib import Path

    text = str(value)
    if is_url(text):
        found = checked_url(text)
        if is_url(found):
            raise ValueError(
                f"{found!r}: a path is expected here; BIDS_DIR, --atlas-dataset and --datasets "
                "can be URLs"
            )
        text = found
    if not text.strip() or "\0" in text:
        raise ValueError(f"{text!r}: a path is expected")
    try:
        # Absolute, so that a node that works in another folder finds it; not resolved, so that
        # messages and sidecars show the path that the user knows.
        given = Path(text).expanduser()
        plain = os.path.abspath(given)  # noqa: PTH100
        # Behind a link, .. is not the folder before it.
        real = os.path.realpath(given) if ".." in given.parts else ""
        return Path(real if real and real != os.path.realpath(plain) else plain)
    except RuntimeError:
        raise ValueError(f"{text!r}: whose home folder ~ stands for is not known") from None
    except OSError:
        raise ValueError(
            f"{text!r}: the working folder is not there any more; give an absolute path"
        ) from None


def atlas_parts(spec: str) -> tuple[str, str, str]:
    """NAME, IMAGE and TABLE of ``NAME=IMAGE,TABLE``; empty where they are not given.

    IMAGE is empty, too, where NAME is to be looked up in a dataset, and may be ``derivative:…``.
    The paths may have ``=`` and commas.
    """
    name, equals, source = spec.partition("=")
    if not equals or "/" in name or _is_there(spec):
        name, source = "", spec
    if source.startswith(DERIVATIVE):
        image, _, table = source.partition(",")
        return name, image, table
    if not name:
        known = _is_there(spec) or re.search(rf"(\.nii(\.gz)?|\.tsv|{_SURFACE})(#.+)?$", spec)
        return ("", spec, "") if known else (spec, "", "")
    commas = [] if _is_there(source) else [at.start() for at in re.finditer(",", source)]
    ending = rf"(\.(nii|nii\.gz|mgz|img)|{_SURFACE})(#.+)?$"
    likely = [at for at in commas if re.search(ending, source[:at])]
    there = [at for at in commas if _is_there(source[:at])]
    at = next(iter(there or likely or commas), len(source))
    return name, source[:at], source[at + 1 :]


def split_map(image: str) -> tuple[str, str]:
    """The file and the map of ``FILE#MAP``; the map is empty where none is given."""
    found = re.match(rf"(.*?(?:\.nii|{_SURFACE}))#(.+)$", image)
    return (image, "") if found is None or _is_there(image) else (found[1], found[2])


def _is_there(file: str) -> bool:
    """Whether there is such a file, or a link to one, which may not have been fetched."""
    from pathlib import Path

    path = Path(file)
    return path.is_file() or (path.is_symlink() and not path.exists())


def atlases(value: Any) -> tuple[str, ...]:
    """Arguments for atlases, with absolute paths, so that they hold in any working folder."""

    def convert(spec: str) -> str:
        name, image, table = atlas_parts(spec)
        if not image:
            return spec
        try:
            if not image.startswith(DERIVATIVE):
                image = str(path(image))
            return (f"{name}=" if name else "") + image + (f",{path(table)}" if table else "")
        except ValueError as error:
            raise ValueError(f"{spec!r}: {str(error).partition(': ')[2]}") from None

    return each(convert)(value)


def datasets(value: Any) -> tuple[str, ...]:
    """Arguments ``NAME=DIR`` with absolute paths, each name once."""
    from bids_labelx.names import ATLAS_LINK, FIRST_DATASET, MASK_LINK, is_dataset_name

    def convert(word: str) -> str:
        name, equals, where = word.partition("=")
        if name == FIRST_DATASET:
            raise ValueError(f"{word!r}: {name} is the name of BIDS_DIR; choose another one")
        if name == MASK_LINK or name.startswith(ATLAS_LINK):
            raise ValueError(
                f"{word!r}: {MASK_LINK} and {ATLAS_LINK}… are names of other folders in "
                "DatasetLinks; choose another one"
            )
        if not equals or not is_dataset_name(name) or not where:
            raise ValueError(
                f"{word!r}: NAME=DIR is expected, with a name of letters, digits, - and _"
            )
        return f"{name}={folder(where)}"

    found = each(convert)(value)
    names = [one.partition("=")[0] for one in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(doubled)}: given with two folders, one is expected")
    return found


def split_name(word: str) -> tuple[str, str]:
    """NAME and the rest of ``NAME=REST``; the name is empty where none is given.

    >>> split_name("old=age + sex"), split_name("C(site, contr.treatment(base='b'))")
    (('old', 'age + sex'), ('', "C(site, contr.treatment(base='b'))"))
    """
    found = re.match(r"([A-Za-z0-9]+)\s*=(?!=)\s*(.+)", word, re.DOTALL)
    return (found[1], found[2]) if found and not _is_there(word) else ("", word.strip())


def _check_name(word: str) -> None:
    """Refuse what looks like a name before ``=``, and is none.

    Raises
    ------
    ValueError
    """
    found = re.match(r"([^=()\[\]{}'\"/]+?)\s*=(?!=)", word)
    if found and not split_name(word)[0] and not _is_there(word):
        raise ValueError(
            f"{word!r}: {found[1]} is no name of letters and digits, which files have; change it"
        )


def _same_file(names: Sequence[str]) -> list[str]:
    """Names that occur twice, or in capitals as well, which some disks do not tell apart."""
    folded = [name.casefold() for name in names]
    return sorted({name for name in names if name and folded.count(name.casefold()) > 1})


def contrast_label(word: str) -> str:
    """What files of ``[NAME=]EXPR`` call it: a name, or the letters and digits of an expression.

    One that begins with a minus is another contrast than the same without: ``negAge``.

    >>> contrast_label("-age"), contrast_label("Ålter (yr)"), contrast_label("old=age")
    ('negAge', 'AlterYr', 'old')
    """
    from bids_labelx.names import camel

    name, what = split_name(word)
    if name:
        return name
    # Letters without their accents.
    plain = unicodedata.normalize("NFKD", what).encode("ascii", "ignore").decode()
    return camel(f"neg {plain}" if plain.strip().startswith("-") else plain)


def models(value: Any) -> tuple[str, ...]:
    """Arguments ``[NAME=]FORMULA`` and ``[NAME=]FILE.tsv``, with absolute paths."""

    def convert(word: str) -> str:
        _check_name(word)
        name, what = split_name(word)
        if not what:
            raise ValueError(f"{word!r}: a formula or a table is expected")
        if what.lower().endswith(".tsv"):
            what = str(path(what))
        return f"{name}={what}" if name else what

    found = each(convert)(value)
    names = [split_name(one)[0] for one in found]
    if doubled := _same_file(names):
        raise ValueError(f"{', '.join(doubled)}: two models of one name; name them apart")
    if len(found) > _MOST_MODELS:
        raise ValueError(f"{len(found)} models, at most {_MOST_MODELS} are expected")
    return found


def contrasts(value: Any) -> tuple[str, ...]:
    """Arguments ``[NAME=]EXPR``; what they are called is told apart as in files."""
    found = words(value)
    labels: dict[str, str] = {}
    for word in found:
        _check_name(word)
        label = contrast_label(word)
        plain = unicodedata.normalize("NFKD", word)
        if not label or any(one.isalpha() and not one.isascii() for one in plain):
            raise ValueError(
                f"{word!r}: files cannot be called by its letters; give it a name: NAME=EXPR"
            )
        if other := labels.get(label.casefold()):
            raise ValueError(
                f"{word!r} and {other!r} would both be called {label}; name one of them: NAME=EXPR"
            )
        labels[label.casefold()] = word
    return found


def strategies(value: Any) -> tuple[str, ...]:
    """Names of strategies, and absolute paths of files of them."""
    return each(lambda word: str(path(word)) if is_strategy_file(word) else word)(value)


def is_strategy_file(word: str) -> bool:
    """Whether a strategy is a file's name, not that of a preset."""
    return word.lower().endswith((".toml", ".json", ".yml", ".yaml"))


def words(value: Any) -> tuple[str, ...]:
    """One or several texts, each once."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(dict.fromkeys(str(item) for item in items))


def each(convert: Callable[[str], T]) -> Callable[[Any], tuple[T, ...]]:
    """One or several values, each once; the error lists all that are wrong."""

    def convert_all(value: Any) -> tuple[T, ...]:
        found: list[T] = []
        wrong: dict[str, list[str]] = {}
        for word in words(value):
            try:
                found.append(convert(word))
            except ValueError as error:
                wrong.setdefault(str(error).removeprefix(repr(word)), []).append(repr(word))
        if wrong:
            raise ValueError("; ".join(", ".join(same) + why for why, same in wrong.items()))
        return tuple(dict.fromkeys(found))

    return convert_all


def labels(key: str) -> Callable[[Any], tuple[str, ...]]:
    """Labels of an entity, with or without ``key-`` before them.

    A space with a cohort is ``MNIInfant+1``, also where it is written ``MNIInfant:cohort-1``.
    """

    def convert(word: str) -> str:
        label = word.removeprefix(f"{key}-")
        if key == "space":
            # As fMRIPrep's --output-spaces has them.
            label = label.replace(":cohort-", "+")
            if found := re.search(r":res-([A-Za-z0-9]+)", label):
                raise ValueError(f"{word!r}: give the resolution with --res {found[1]}")
        if "," in label and all(re.fullmatch(r"[A-Za-z0-9-]+", one) for one in label.split(",")):
            raise ValueError(f"{word!r}: put blanks between labels, {label.replace(',', ' ')}")
        if label.lower().startswith(f"{key}-"):
            raise ValueError(f"{word!r}: write {key}- in lower case, or leave it out")
        if not re.fullmatch(r"[A-Za-z0-9]+(\+[A-Za-z0-9]+)?", label):
            raise ValueError(f"{word!r}: a label has letters and digits only")
        return label

    return each(convert)


# What others call a choice.
_ELSEWHERE = {
    **dict.fromkeys(("pearson", "pearsonr", "pearsoncorrelation", "corr", "r"), "correlation"),
    **dict.fromkeys(("partial", "partialcorrelation"), "partial-correlation"),
    "inverse covariance": "precision",
    **dict.fromkeys(("average", "avg"), "mean"),
    **dict.fromkeys(("std", "sd"), "standard_deviation"),
    **dict.fromkeys(("bandpass", "butter"), "butterworth"),
    **dict.fromkeys(("zscore", "z-score", "z"), "zscore_sample"),
}


def choice(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    """One of the allowed words."""

    def convert(value: Any) -> str:
        if value not in allowed:
            elsewhere = _ELSEWHERE.get(str(value).casefold())
            meant = did_you_mean(elsewhere if elsewhere in allowed else str(value), allowed)
            raise ValueError(f"{value!r}{meant}: choose from {', '.join(allowed)}")
        return str(value)

    return convert


def lower_choice(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    """One of the allowed words, whether in capitals or not."""
    return lambda value: choice(allowed)(value.lower() if isinstance(value, str) else value)


def number(expected: str, valid: Callable[[float], bool]) -> Callable[[Any], float]:
    """A number for which `valid` holds."""

    def convert(value: Any) -> float:
        try:
            found = float(value)
        except ValueError:
            found = float("nan")
        if not valid(found):
            raise ValueError(f"{value!r}: {expected} is expected")
        return found

    return convert


def above_zero(what: str) -> Callable[[Any], float]:
    """A finite number above 0."""
    return number(f"{what} above 0", lambda found: 0 < found < float("inf"))


def share(value: Any) -> float:
    """A number from 0 to 1."""
    return number("a number from 0 to 1", lambda found: 0 <= found <= 1)(value)


def whole(minimum: int, expected: str = "") -> Callable[[Any], int]:
    """A whole number from `minimum` on."""

    def convert(value: Any) -> int:
        try:
            found = int(value)
        except ValueError:
            found = minimum - 1
        if not minimum <= found <= _LARGEST:
            expect = expected or f"a whole number from {minimum}"
            if found > _LARGEST:
                expect += f" to {_LARGEST:,}"
            raise ValueError(f"{value!r}: {expect} is expected")
        return found

    return convert


def dummy_scans(value: Any) -> int | Literal["auto"]:
    """A number of volumes or ``auto``."""
    return "auto" if value == "auto" else whole(0, "a number of volumes or auto")(value)


def mask(value: Any) -> str | Path:
    """``brain``, ``none`` or the path of an image."""
    return str(value) if value in ("brain", "none") else path(value)
