"""Denoising strategies: the presets, and users' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from bids_labelx.denoise.schema import parse_strategy, read_strategy_file
from bids_labelx.errors import BadDataError, UsageError
from bids_labelx.names import camel
from bids_labelx.settings.convert import is_strategy_file
from bids_labelx.suggestions import did_you_mean

_PRESETS = files("bids_labelx") / "data" / "denoise"

# Of a Butterworth filter where a strategy says nothing else. Of the ways to go on beyond a run's
# ends this one moves the correlations between filtered signals least.
_BUTTERWORTH = {"order": 2, "padtype": "constant", "padlen": "run"}


@dataclass(frozen=True)
class Strategy:
    """A denoising strategy.

    Attributes
    ----------
    name
        That of the preset, or given in a user's file, or that file's stem.
    description
        What it does, in a line.
    confounds, volumes
        The regressors and the rules of censoring, as in a strategy file
        (`bids_labelx.denoise.schema.SCHEMA`).
    clean
        How signals are cleaned, as in a strategy file without its ``none``; see `cleaning`.
    source
        Whose strategy it is, with the release it was compared with; empty for a user's own.
    images
        The ``desc-`` labels of the images that it is for; empty for any that are not denoised.
    """

    name: str
    description: str
    confounds: Mapping[str, Any]
    volumes: Mapping[str, Any]
    clean: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    images: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The ``desc-`` label of its outputs: ``raw`` for ``none``, else camelCase."""
        return "raw" if self.name == "none" else camel(self.name)

    @property
    def cleaning(self) -> dict[str, Any]:
        """Arguments of `bids_labelx.extraction.clean.clean`, with the defaults of strategies."""
        arguments = {"interpolation": "linear", **self.clean}
        if arguments.get("filter") != "butterworth":
            return arguments
        options = {**_BUTTERWORTH, **arguments.get("butterworth", {})}
        ends = arguments.pop("censored_ends", "cut")
        return {
            **arguments,
            "extrapolate": "hold" if ends == "hold" else False,
            "butterworth": {k: None if v == "none" else v for k, v in options.items()},
        }

    @property
    def needs_table(self) -> bool:
        """Whether it uses the confounds table."""
        # A number of volumes needs no column.
        flagged = self.volumes.get("non_steady_state") is True
        others = self.confounds.keys() - {"tables", "first_row"}
        return bool(others or self.volumes.get("scrub") or flagged)


def preset_names() -> list[str]:
    """The presets: the files in ``data/denoise``, sorted by name."""
    return sorted(file.name.removesuffix(".toml") for file in _PRESETS.iterdir())


def _meant(name: str, presets: Sequence[str]) -> str:
    """What may have been meant by a strategy that is neither a preset nor a file."""
    several = name.split(",")
    if len(several) > 1 and all(one in presets or is_strategy_file(one) for one in several):
        return f", did you mean {' '.join(several)} (with blanks between them)"
    near = did_you_mean(name, presets)
    # The presets' names have dots before numbers.
    if not near and Path(name).suffix[1:].isalpha():
        return " (no preset, and a strategy file's name ends in .toml, .json or .yml)"
    return near


def read_strategies(names: Sequence[str | PathLike[str]]) -> list[Strategy]:
    """The presets of these names, and the strategies of these files.

    Raises
    ------
    UsageError
        Where there is no preset of a name, with all such names; where two strategies have the
        same label, or one has none.
    MissingInputError, BadDataError
        Where a file cannot be read, or is no valid strategy.
    """
    given = [fspath(name) for name in names]
    presets = preset_names()
    unknown = [name for name in given if not is_strategy_file(name) and name not in presets]
    if unknown:
        words = [f"{name}{_meant(name, presets)}" for name in unknown]
        raise UsageError(
            f"--denoise {'; '.join(words)}: choose from {', '.join(presets)}, or give a "
            "FILE.toml or FILE.json of your own, or XCP-D's FILE.yml"
        )
    strategies = [
        _read_file(Path(name)) if is_strategy_file(name) else _read_preset(name) for name in given
    ]
    _refuse_same_labels(given, strategies)
    return strategies


def describe_presets() -> str:
    """A line per preset, for ``--list-denoise``."""
    presets = [_read_preset(name) for name in preset_names()]
    width = max(len(preset.name) for preset in presets)
    return "\n".join(
        f"{preset.name:<{width}}  {preset.description} [{preset.source}]" for preset in presets
    )


def arguments_of_clean(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a file or of the command line as arguments of `clean`, without ``none``."""
    return {key: value for key, value in settings.items() if value not in (None, "none")}


def _read_preset(name: str) -> Strategy:
    text = (_PRESETS / f"{name}.toml").read_text("utf-8")
    return _strategy(name, parse_strategy(text, f"{name}.toml"))


def _read_file(path: Path) -> Strategy:
    content = read_strategy_file(path)
    strategy = _strategy(content.get("name", path.stem), content)
    # The names `none` and `raw` are reserved: they mean that nothing is done.
    if strategy.label in ("", "raw"):
        raise BadDataError(
            f"{path}: the strategy is called {strategy.name!r}; allowed is a name with letters "
            "or digits that is not none or raw (rename the file, or give it a name = ...)"
        )
    return strategy


def _strategy(name: str, content: Mapping[str, Any]) -> Strategy:
    # A group set to false is as if it were absent.
    confounds = {k: v for k, v in content.get("confounds", {}).items() if v is not False}
    volumes = {k: v for k, v in content.get("volumes", {}).items() if v is not False}
    clean = arguments_of_clean(content.get("clean", {}))
    source = content.get("source", "")
    description = content.get("description") or described(confounds, volumes, clean)
    images = tuple(content.get("images", ()))
    return Strategy(name, description, confounds, volumes, clean, source, images)


def described(
    confounds: Mapping[str, Any], volumes: Mapping[str, Any], clean: Mapping[str, Any]
) -> str:
    """What a strategy does, in a line, for one that does not say it.

    >>> described({"motion": "full", "columns": ["rmsd"]}, {}, {"filter": "butterworth"})
    'regressors: motion full; columns rmsd; clean: filter butterworth'
    """
    parts = []
    for key, value in confounds.items():
        if key == "columns":
            parts.append(f"columns {', '.join(map(_entry_text, value))}")
        elif key == "tables":
            parts += [_table_text(entry) for entry in value]
        else:
            parts.append(f"{key} {_value_text(value)}")
    told = [f"regressors: {'; '.join(parts)}"] if parts else []
    for name, settings in (("volumes", volumes), ("clean", clean)):
        words = [f"{key} {_value_text(value)}" for key, value in settings.items()]
        told += [f"{name}: {', '.join(words)}"] if words else []
    return "; ".join(told) or "nothing is removed"


def _entry_text(entry: Any) -> str:
    return entry if isinstance(entry, str) else str(entry.get("name") or entry.get("pattern"))


def _table_text(entry: Mapping[str, Any]) -> str:
    """What an entry of ``confounds.tables`` takes, and where from."""
    what = f"columns {', '.join(map(_entry_text, entry['columns']))}" if "columns" in entry else ""
    if "tedana" in entry:
        what = f"components that tedana {entry['tedana'].replace('_', ' and ')}"
    elif "motion_source" in entry:
        what = f"motion parameters of {entry['motion_source'].upper()}"
    elif "censored" in entry:
        what = f"volumes censored by {entry['censored']}"
    desc = f"desc-{entry['desc']}" if "desc" in entry else ""
    table = "_".join(filter(None, (desc, entry.get("suffix", ""))))
    place = f" of the dataset {entry['dataset']}" if "dataset" in entry else ""
    return f"{what or 'the columns'}{f' of {table}' if table else ''}{place}"


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_value_text(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_same_labels(given: Sequence[str], strategies: Sequence[Strategy]) -> None:
    first: dict[str, str] = {}
    for text, strategy in zip(given, strategies, strict=True):
        # File systems that ignore case would take these for the same files.
        label = strategy.label.lower()
        if label in first:
            raise UsageError(
                f"--denoise {first[label]} {text}: outputs of both would be called "
                f"desc-{strategy.label}; remove one, or give the file another name"
            )
        first[label] = text
