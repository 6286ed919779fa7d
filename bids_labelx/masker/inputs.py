"""A masker's inputs, in every form that is accepted, as arrays and tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from bids_labelx.errors import LabelxError
from bids_labelx.extraction.formats import Image, open_run_data, read_map
from bids_labelx.extraction.resample import exact_labels
from bids_labelx.extraction.space import Space
from bids_labelx.files import NO_VALUE, read_text, read_tsv, split_table, table_columns
from bids_labelx.masker.grayordinates import cifti_image, read_labels
from bids_labelx.settings.convert import split_map


class Labels(NamedTuple):
    """A label image.

    Attributes
    ----------
    values : int64 array of shape (n_elements,)
        The label of each element.
    space
        The elements.
    table
        ``index``, ``name`` and ``color`` of its own label table, which a ``.dlabel.nii`` has.
    """

    values: np.ndarray
    space: Space
    table: pd.DataFrame | None


def load_labels_img(image: Image, background: int) -> Labels:
    """Read a label image, of several label maps of a CIFTI-2 file the one of ``FILE#MAP``.

    Values that are not finite count as background, with a warning.

    Raises
    ------
    TypeError
        Where the image is 4D, or no image at all.
    ValueError
        Where a value is fractional, there is no label but the background, or grayordinates have
        something else than one map of labels.
    """
    file, which = image, ""
    if isinstance(image, (str, os.PathLike)):
        file, which = split_map(os.fspath(image))
    if (opened := cifti_image(file)) is not None:
        values, space, table = read_labels(opened, which)
        name = opened.get_filename() or "in-memory image"
        return Labels(_whole_numbers(values, background, name), space, table)
    data = open_run_data(image)
    if data.n_volumes != 1:
        raise TypeError(
            "Input data has incompatible dimensionality: Expected dimension is 3D and you "
            f"provided a 4D image ({data.name}, {data.n_volumes} volumes). A map per volume is "
            "no label image."
        )
    _, values = read_map(image)
    return Labels(_whole_numbers(values, background, data.name), data.space, None)


def _whole_numbers(values: np.ndarray, background: int, name: str) -> np.ndarray:
    """Labels as int64; at least one is no background."""
    finite = np.isfinite(values)
    if not finite.all():
        warnings.warn(
            f"{name}: Non-finite values detected in the label image; they count as background.",
            stacklevel=4,
        )
        values = np.where(finite, values, background)
    labels = exact_labels(values, name)
    if (labels == background).all():
        raise ValueError(f"{name}: there is no label but the background")
    return labels


def load_mask_img(image: Image) -> tuple[np.ndarray, Space]:
    """Read a mask: whether each element is inside, and their space. NaN counts as outside."""
    data, values = read_map(image)
    return (values != 0) & ~np.isnan(values), data.space


def label_table(
    present: np.ndarray,
    background: int,
    labels: Sequence[str] | None,
    lut: pd.DataFrame | str | os.PathLike[str] | None,
    own: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The table of labels: ``index``, ``name`` and what else `lut` has, the background first.

    Parameters
    ----------
    present
        The labels in the image, ascending, without the background.
    background
        Its value.
    labels
        Names in ascending order of the labels; ``Background`` among them is ignored.
    lut
        A table with ``index`` and ``name``, or a path to one.
    own
        The label table that the image holds; taken where neither of the two is given.

    Raises
    ------
    ValueError
        Where both are given, names are too many or too few, or the table is wrong or lacks a
        label of the image.
    TypeError
        Where `labels` is no list of names.
    """
    if labels is not None and lut is not None:
        raise ValueError("give 'labels' or 'lut', not both")
    chosen = lut if lut is not None or labels is not None else own
    if chosen is not None:
        table = _read_lut(chosen, background)
        unknown = np.setdiff1d(present, table["index"].to_numpy())
        if unknown.size:
            what = "'lut'" if lut is not None else "the label table of 'labels_img'"
            raise ValueError(f"{what} lacks labels of the image: {unknown.tolist()}")
    else:
        names = [str(one) for one in present.tolist()]
        if labels is not None:
            names = _checked_names(labels, present.size)
        table = pd.DataFrame({"index": present, "name": names})
    first = pd.DataFrame({"index": [background], "name": ["Background"]})
    return pd.concat([first, table], ignore_index=True)


def _checked_names(labels: Sequence[str], wanted: int) -> list[str]:
    if not isinstance(labels, (list, tuple)) or not all(isinstance(one, str) for one in labels):
        raise TypeError(f"'labels' is a list of names, got {labels!r}")
    names = [one for one in labels if one.lower() != "background"]
    if len(names) != wanted:
        raise ValueError(
            f"Mismatch between the number of names in 'labels' ({len(names)}) and regions in the "
            f"label image ({wanted}), background excluded."
        )
    return names


def _read_lut(lut: pd.DataFrame | str | os.PathLike[str], background: int) -> pd.DataFrame:
    if isinstance(lut, pd.DataFrame):
        table, where = lut, "'lut'"
    else:
        where = os.fspath(lut)
        table = _read_lut_file(Path(where))
    lacking = {"index", "name"} - set(table.columns)
    if lacking:
        raise ValueError(f"{where}: no column {' nor '.join(sorted(lacking))}")
    values = pd.to_numeric(table["index"])
    table, values = table[values != background], values[values != background]
    index = exact_labels(values.to_numpy(), where)
    if len(set(index.tolist())) != len(index):
        raise ValueError(f"{where}: a label stands in more than one row")
    table = table.assign(index=index, name=table["name"].astype(str))
    # Ascending, as the columns are: the class documents them in the order of the labels.
    return table.sort_values("index", ignore_index=True)


def _read_lut_file(path: Path) -> pd.DataFrame:
    try:
        return read_tsv(path, delimiter="," if path.suffix == ".csv" else "\t")
    except LabelxError as error:
        raise ValueError(str(error)) from None


def load_confounds(confounds: Any) -> np.ndarray | None:
    """Confounds (n_volumes, n_confounds) from a path, a table, an array, or a list of these.

    The columns of a list are joined. A file is a table with tabs, commas, semicolons or blanks,
    with or without a header, such as SPM's ``rp_*.txt`` and FSL's ``.par``. Lines that begin with
    ``#`` and columns without a heading, mostly row numbers, are not read.

    Raises
    ------
    ValueError
        Where they are not numbers, a row of a file has more or fewer fields than the first, or
        the parts of a list differ in length.
    """
    if confounds is None:
        return None
    if isinstance(confounds, (list, tuple)) and any(
        isinstance(one, (str, os.PathLike, pd.DataFrame, np.ndarray)) for one in confounds
    ):
        parts = [_read_table(one) for one in confounds]
        lengths = {len(part) for part in parts}
        if len(lengths) > 1:
            raise ValueError(f"a list of confounds with different lengths: {sorted(lengths)}")
        return np.column_stack(parts)
    return _read_table(confounds)


def _read_table(confounds: Any) -> np.ndarray:
    where = "confounds"
    if isinstance(confounds, (str, os.PathLike)):
        where = os.fspath(confounds)
        confounds = _read_confounds_file(Path(where))
    try:
        return np.asarray(confounds, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{where}: confounds are numbers ({error})") from error


def _read_confounds_file(path: Path) -> list[list[str]]:
    """The cells of a file, without its header, ``nan`` for what has no value."""
    try:
        lines = read_text(path).split("\n")
        # As blank lines, so that the others keep their number.
        text = "\n".join("" if line.lstrip().startswith("#") else line for line in lines)
        rows = split_table(text, _delimiter(path, text))
        if not rows:
            raise ValueError("an empty file; a row per volume is expected")
        columns = [(at, "") for at in range(len(rows[0][1]))]
        if not any(_is_number(cell) for cell in rows[0][1]):
            columns, rows = table_columns(rows), rows[1:]
    except LabelxError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        raise ValueError(f"{path}: confounds cannot be read as a table ({error})") from None
    cells = [[row[at].strip() for at, _ in columns] for _, row in rows]
    return [["nan" if cell in NO_VALUE else cell for cell in row] for row in cells]


def _delimiter(path: Path, text: str) -> str:
    """What is between the cells: what its first line has, blanks where it has nothing else."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for line in text.split("\n") if line.strip()), "")
    return next((one for one in "\t;," if one in first.strip()), " ")


def _is_number(text: str) -> bool:
    """Whether a cell is a number or says that there is none, and so no heading."""
    try:
        float(text)
    except ValueError:
        return text.strip() in NO_VALUE - {""}
    return True


def one_per_run(what: str, values: Any, n_runs: int) -> Sequence[Any]:
    """Values for each of several runs; None means none for any run.

    Raises
    ------
    TypeError, ValueError
        Where they are no list, or not as many as the runs.
    """
    if values is None:
        return [None] * n_runs
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{what} is a list, one entry for each run; got {type(values).__name__}")
    if len(values) != n_runs:
        raise ValueError(
            f"number of {what} ({len(values)}) unequal to number of images ({n_runs})"
        )
    return values


def mask_per_run(sample_mask: Any, n_runs: int) -> Sequence[Any]:
    """Sample masks for each of several runs: one for all, or a list with one for each."""
    if isinstance(sample_mask, (list, tuple)) and any(
        one is None or np.ndim(one) == 1 for one in sample_mask
    ):
        return one_per_run("sample_mask", sample_mask, n_runs)
    return [sample_mask] * n_runs


def positional(given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    """Confounds and sample mask out of what follows the images in `fit_transform`.

    The reference page has ``(imgs, confounds, sample_mask)``, scikit-learn's pipelines call
    ``(imgs, y)``, and newer releases of nilearn have ``(imgs, y, confounds, sample_mask)``. A
    target has one value per row; anything else in second position is confounds.

    Parameters
    ----------
    given
        The positional arguments behind the images.
    named
        ``confounds`` and ``sample_mask`` given by name; None where they were not.

    Raises
    ------
    TypeError
        Where there are too many, or one is given in both ways.
    """
    if len(given) > 3:
        raise TypeError(f"fit_transform takes images and at most 3 more, got {len(given)}")
    found: dict[str, Any] = {}
    if len(given) == 3 or (len(given) == 2 and given[0] is None and _is_confounds(given[1])):
        found = dict(zip(("confounds", "sample_mask"), given[1:], strict=False))
    elif len(given) == 2:
        found = {"confounds": given[0], "sample_mask": given[1]}
    elif given and _is_confounds(given[0]):
        found = {"confounds": given[0]}
    twice = [
        name for name, value in found.items() if value is not None and named[name] is not None
    ]
    if twice:
        raise TypeError(f"fit_transform got {' and '.join(twice)} both by place and by name")
    chosen = {k: found.get(k) if value is None else value for k, value in named.items()}
    return chosen["confounds"], chosen["sample_mask"]


def _is_confounds(value: Any) -> bool:
    """Whether it is a path, a table, something of two dimensions, or a list of these."""
    if isinstance(value, (os.PathLike, pd.DataFrame)):
        return True
    if isinstance(value, str):
        return Path(value).suffix.lower() in (".csv", ".tsv", ".txt", ".par", ".1d")
    if isinstance(value, np.ndarray):
        return value.ndim == 2
    if isinstance(value, (list, tuple)):
        return any(isinstance(one, (list, tuple)) or _is_confounds(one) for one in value) or any(
            isinstance(one, np.ndarray) and one.ndim == 1 for one in value
        )
    return False


def is_one_run(images: Any) -> bool:
    """Whether it is a single run, and not a list, tuple or generator of runs. None is one."""
    return isinstance(images, (str, os.PathLike, SpatialImage)) or not isinstance(images, Iterable)


def is_3d(image: Any) -> bool:
    """Whether it is a single 3D image, by path or in memory."""
    if isinstance(image, (str, os.PathLike)) and Path(image).is_file():
        image = nib.load(image)
    return isinstance(image, SpatialImage) and len(image.shape) == 3
