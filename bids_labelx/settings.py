"""The settings of one start: a frozen, validated dataclass, in and out of TOML."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from bids_labelx.errors import BadDataError, MissingInputError, UsageError

LEVELS = ("participant", "group")
STATISTICS = ("mean", "median", "sum", "minimum", "maximum", "variance", "standard_deviation")
CONNECTIVITY = ("correlation", "partial-correlation", "covariance", "precision", "none")
CLEAN_LEVELS = ("region", "voxel")
FILTERS = ("butterworth", "cosine", "none")
STANDARDIZE = ("none", "zscore_sample", "zscore", "psc")
CONCATENATE = ("runs", "sessions")
CENSOR_OUTPUT = ("drop", "nan", "interpolate")


def available_cpus() -> int:
    """CPUs that this process may use: fewer than the machine has inside a Slurm job."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Which labels of an atlas are taken."""

    background_label: int = 0
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExtractionOptions:
    """How a run is reduced to region signals."""

    min_coverage: float = 0.5
    statistic: tuple[str, ...] = ("mean",)
    smoothing_fwhm: float | None = None


@dataclass(frozen=True, kw_only=True)
class DenoisingOptions:
    """How signals are denoised, besides the strategies."""

    standardize_voxels: bool = False
    censor_output: str = "drop"
    min_minutes: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ConnectivityOptions:
    """Which matrices are made of a run's signals."""

    connectivity: tuple[str, ...] = ("correlation",)
    exact_volumes: tuple[int, ...] = ()

    @property
    def measures(self) -> tuple[str, ...]:
        """The connectivity measures to compute; empty where the user asked for none."""
        return tuple(m for m in self.connectivity if m != "none")


Part = TypeVar("Part", LabelOptions, ExtractionOptions, DenoisingOptions, ConnectivityOptions)


@dataclass(frozen=True)
class Settings(LabelOptions, ExtractionOptions, DenoisingOptions, ConnectivityOptions):
    """Everything that decides what one run of the app does.

    The field names are those of the command line's long options, with underscores. Labels stand
    without their entity's key: ``01``, not ``sub-01``. What the steps of a run go by are its
    parts, see `part`.
    """

    bids_dir: Path
    output_dir: Path
    analysis_level: str
    participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    task_id: tuple[str, ...] = ()
    run_id: tuple[str, ...] = ()
    space: tuple[str, ...] = ()
    res: tuple[str, ...] = ()
    bids_filter_file: Path | None = None
    bids_database_dir: Path | None = None
    atlas: tuple[str, ...] = ()
    atlas_dataset: Path | None = None
    atlas_space: str | None = None
    mask: str | Path = "brain"
    clean_level: str = "region"
    denoise: tuple[str, ...] = ("simple",)
    fd_threshold: float | None = None
    std_dvars_threshold: float | None = None
    dummy_scans: int | Literal["auto"] | None = None
    filter: str | None = None
    low_pass: float | None = None
    high_pass: float | None = None
    detrend: bool | None = None
    standardize: str | None = None
    max_mean_fd: float | None = None
    min_coverage_share: float = 0.0
    concatenate: str | None = None
    work_dir: Path | None = None
    nprocs: int = dataclasses.field(default_factory=available_cpus)
    mem_gb: float | None = None
    omp_nthreads: int = 1
    nipype_plugin_file: Path | None = None
    dry_run: bool = False
    reports_only: bool = False
    overwrite: bool = False
    stop_on_first_crash: bool = False
    verbose: int = 0

    def part(self, kind: type[Part]) -> Part:
        """The options that one step goes by, and nothing else: what a node's hash depends on."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(kind)}
        return kind(**values)

    @property
    def clean(self) -> dict[str, Any]:
        """Settings of cleaning that were given for all strategies."""
        names = ("filter", "low_pass", "high_pass", "detrend", "standardize")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def _path(value: Any) -> Path:
    # Absolute, so that a node that works in another folder finds it; not resolved, so that
    # messages and sidecars show the path that the user knows.
    return Path(os.path.abspath(Path(str(value)).expanduser()))  # noqa: PTH100


def _words(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(dict.fromkeys(str(item) for item in items))


def _labels(key: str) -> Callable[[Any], tuple[str, ...]]:
    """Labels with or without ``key-`` before them."""

    def convert(value: Any) -> tuple[str, ...]:
        labels = tuple(dict.fromkeys(word.removeprefix(f"{key}-") for word in _words(value)))
        wrong = [label for label in labels if not re.fullmatch(r"[A-Za-z0-9+]+", label)]
        if wrong:
            raise ValueError(f"{', '.join(map(repr, wrong))}: a label has letters and digits only")
        return labels

    return convert


def _choices(allowed: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    def convert(value: Any) -> tuple[str, ...]:
        words = _words(value)
        wrong = [word for word in words if word not in allowed]
        if wrong:
            raise ValueError(f"{', '.join(map(repr, wrong))}: choose from {', '.join(allowed)}")
        return words

    return convert


def _choice(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r}: choose from {', '.join(allowed)}")
        return str(value)

    return convert


def _above_zero(what: str) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        number = _number(value)
        if not 0 < number < float("inf"):
            raise ValueError(f"{value!r}: {what} above 0 is expected")
        return number

    return convert


def _minutes(value: Any) -> float:
    number = _number(value)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{value!r}: a number of minutes is expected")
    return number


def _number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _dummy_scans(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f"{value!r}: a number of volumes or auto is expected")
    return number


def _share(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r}: a number from 0 to 1 is expected")
    return number


def _volumes(value: Any) -> tuple[int, ...]:
    numbers = tuple(dict.fromkeys(_count(word) for word in _words(value)))
    if min(numbers, default=3) < 3:
        raise ValueError(f"{min(numbers)}: numbers of volumes from 3 are expected")
    return numbers


def _label_value(value: Any) -> int:
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f"{value!r}: a whole number from 0 is expected")
    return number


def _count(value: Any) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{value!r}: a whole number from 1 is expected")
    return number


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "bids_dir": _path,
    "output_dir": _path,
    "analysis_level": _choice(LEVELS),
    "participant_label": _labels("sub"),
    "session_label": _labels("ses"),
    "task_id": _labels("task"),
    "run_id": _labels("run"),
    "space": _labels("space"),
    "res": _labels("res"),
    "bids_filter_file": _path,
    "bids_database_dir": _path,
    "atlas": _words,
    "atlas_dataset": _path,
    "atlas_space": lambda value: _labels("space")(value)[0],
    "background_label": _label_value,
    "labels": _words,
    "min_coverage": _share,
    "mask": lambda value: value if value in ("brain", "none") else _path(value),
    "statistic": _choices(STATISTICS),
    "smoothing_fwhm": _above_zero("a width in mm"),
    "clean_level": _choice(CLEAN_LEVELS),
    "standardize_voxels": bool,
    "denoise": _words,
    "fd_threshold": _above_zero("a displacement in mm"),
    "std_dvars_threshold": _above_zero("a number"),
    "dummy_scans": _dummy_scans,
    "filter": _choice(FILTERS),
    "low_pass": _above_zero("a frequency in Hz"),
    "high_pass": _above_zero("a frequency in Hz"),
    "detrend": bool,
    "standardize": _choice(STANDARDIZE),
    "censor_output": _choice(CENSOR_OUTPUT),
    "min_minutes": _minutes,
    "max_mean_fd": _above_zero("a displacement in mm"),
    "min_coverage_share": _share,
    "connectivity": _choices(CONNECTIVITY),
    "exact_volumes": _volumes,
    "concatenate": _choice(CONCATENATE),
    "work_dir": _path,
    "nprocs": _count,
    "mem_gb": _above_zero("a number of GB"),
    "omp_nthreads": _count,
    "nipype_plugin_file": _path,
    "dry_run": bool,
    "reports_only": bool,
    "overwrite": bool,
    "stop_on_first_crash": bool,
    "verbose": int,
}


def make_settings(options: Mapping[str, Any], problems: tuple[str, ...] = ()) -> Settings:
    """Validate options, as they come from the command line or a file, into settings.

    Parameters
    ----------
    options
        Values by field name; those that are None count as not given.
    problems
        Mistakes found before (unknown options, say), to be listed with those found here.

    Raises
    ------
    UsageError
        With all mistakes at once, a line each.
    """
    found = list(problems)
    values: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        shown = name.upper() if name in ("bids_dir", "output_dir") else _option(name)
        if name not in _CONVERT:
            found.append(f"{shown}: there is no such option")
            continue
        try:
            values[name] = _CONVERT[name](value)
        except (ValueError, TypeError, OverflowError) as error:
            found.append(f"{shown} {error}")
    missing = [n for n in ("bids_dir", "output_dir", "analysis_level") if options.get(n) is None]
    if missing:
        found.append(
            f"missing: {', '.join(n.upper() for n in missing)} "
            "(bids_labelx BIDS_DIR OUTPUT_DIR {participant,group} [options])"
        )
    if values.get("analysis_level") == "participant" and not (
        values.get("atlas") or values.get("atlas_dataset") or values.get("reports_only")
    ):
        found.append(
            "no atlas: give --atlas IMAGE, or --atlas-dataset DIR and perhaps --atlas NAME[:SEG]"
        )
    if values.get("analysis_level") == "group" and values.get("reports_only"):
        found.append(
            "--reports-only: is for the participant level; group reads nothing but outputs anyway"
        )
    if "bids_dir" in values and values.get("output_dir") == values["bids_dir"]:
        found.append("OUTPUT_DIR is BIDS_DIR: choose a folder of its own for the output")
    if "bids_database_dir" in values and values["bids_database_dir"] in (
        values.get("bids_dir"),
        values.get("output_dir"),
    ):
        found.append("--bids-database-dir is BIDS_DIR or OUTPUT_DIR: choose a folder of its own")
    if values.get("standardize_voxels") and values.get("clean_level") != "voxel":
        found.append("--standardize-voxels: voxels are cleaned with --clean-level voxel only")
    if len(values.get("connectivity", ())) > 1 and "none" in values["connectivity"]:
        found.append("--connectivity: 'none' stands alone")
    without = values.get("connectivity") == ("none",)
    for name in ("exact_volumes", "concatenate"):
        if without and values.get(name):
            found.append(f"{_option(name)}: makes matrices, but --connectivity is none")
    if found:
        raise UsageError("\n".join(found))
    return Settings(**values)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def to_toml(settings: Settings) -> str:
    """The settings as TOML; what is None is left out."""
    import tomli_w

    plain = {
        field.name: _plain(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) is not None
    }
    return tomli_w.dumps(plain)


# What decides where and how the app runs, and not what it writes.
_OF_THE_START = (
    "bids_dir",
    "output_dir",
    "analysis_level",
    "participant_label",
    "bids_database_dir",
    "work_dir",
    "nprocs",
    "mem_gb",
    "omp_nthreads",
    "nipype_plugin_file",
    "dry_run",
    "reports_only",
    "overwrite",
    "stop_on_first_crash",
    "verbose",
)


def changed_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Of options as `to_toml` writes them those that differ from the defaults, as one types them.

    Left out is what has nothing to do with the results.
    """
    changed = {}
    for field in dataclasses.fields(Settings):
        value = options.get(field.name)
        if field.name in _OF_THE_START or value is None or value == _plain(field.default):
            continue
        words = value if isinstance(value, list) else [value]
        as_word = {True: "yes", False: "no"}
        changed[_option(field.name)] = " ".join(
            as_word[one] if isinstance(one, bool) else str(one) for one in words
        )
    return changed


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def read_options(path: Path) -> dict[str, Any]:
    """Options out of a TOML file that `to_toml` wrote or a person did.

    Raises
    ------
    MissingInputError, BadDataError
        Where there is no such file, or it is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"--config-file {path}: cannot be read ({error})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDataError(f"--config-file {path}: not a TOML file ({error})") from None
