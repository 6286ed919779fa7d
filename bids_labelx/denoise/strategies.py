"""The strategies that come with the app, and those of users' files."""

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

# Those of nilearn and giga_connectome, then those of XCP-D.
_PRESETS = (
    "none",
    "simple",
    "simple+gsr",
    "scrubbing.2",
    "scrubbing.2+gsr",
    "scrubbing.5",
    "scrubbing.5+gsr",
    "acompcor50",
    "icaaroma",
    "24P",
    "27P",
    "36P",
    "36P+scrubbing",
    "acompcor",
    "acompcor+gsr",
    "gsr_only",
)


@dataclass(frozen=True)
class Strategy:
    """A denoising strategy: its name as users know it, and what it does.

    Attributes
    ----------
    name
        Of a preset, or given in a user's file, or that file's stem.
    description
        What it does, in a line.
    confounds, volumes
        Which regressors it takes and which volumes it censors, as in a strategy file
        (`bids_labelx.denoise.schema.SCHEMA`).
    clean
        Arguments of `bids_labelx.extraction.clean.clean`: ``filter``, ``low_pass``,
        ``high_pass``, ``detrend``, ``standardize``, ``butterworth``. What is not there has the
        default of `clean`.
    """

    name: str
    description: str
    confounds: Mapping[str, Any]
    volumes: Mapping[str, Any]
    clean: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The ``desc-`` label of its outputs: ``raw`` for ``none``, else camelCase."""
        return "raw" if self.name == "none" else camel(self.name)

    @property
    def needs_table(self) -> bool:
        """Whether it takes anything from the confounds table."""
        # An integer says how many volumes at the start, which takes no column.
        flagged = self.volumes.get("non_steady_state") is True
        return bool(self.confounds or self.volumes.get("scrub") or flagged)


def preset_names() -> list[str]:
    """The strategies that come with the app."""
    return list(_PRESETS)


def read_strategies(names: Sequence[str | PathLike[str]]) -> list[Strategy]:
    """The presets of these names, and the strategies of these ``.toml`` and ``.json`` files.

    Raises
    ------
    UsageError
        Where there is no preset of a name, and all such names are listed; where outputs of two
        strategies would have the same label, or one would have none.
    MissingInputError, BadDataError
        Where a file cannot be read, or says what a strategy cannot.
    """
    given = [fspath(name) for name in names]
    unknown = [name for name in given if not _is_file_name(name) and name not in _PRESETS]
    if unknown:
        raise UsageError(
            f"--denoise {' '.join(unknown)}: choose from {', '.join(_PRESETS)}, or give a "
            "FILE.toml or FILE.json of your own"
        )
    strategies = [
        _read_file(Path(name)) if _is_file_name(name) else _read_preset(name) for name in given
    ]
    _refuse_same_labels(given, strategies)
    return strategies


def describe_presets() -> str:
    """A line per preset, for ``--list-denoise``."""
    presets = [_read_preset(name) for name in _PRESETS]
    width = max(len(preset.name) for preset in presets)
    return "\n".join(f"{preset.name:<{width}}  {preset.description}" for preset in presets)


def arguments_of_clean(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a file or of the command line as `clean` takes them: ``none`` is left out."""
    return {key: value for key, value in settings.items() if value not in (None, "none")}


def _is_file_name(name: str) -> bool:
    return name.lower().endswith((".toml", ".json"))


def _read_preset(name: str) -> Strategy:
    text = (files("bids_labelx") / "data" / "denoise" / f"{name}.toml").read_text("utf-8")
    return _strategy(name, parse_strategy(text, f"{name}.toml"))


def _read_file(path: Path) -> Strategy:
    content = read_strategy_file(path)
    strategy = _strategy(content.get("name", path.stem), content)
    # `none` and its label are promises that nothing is done.
    if strategy.label in ("", "raw"):
        raise BadDataError(
            f"{path}: the strategy is called {strategy.name!r}; allowed is a name with letters "
            "or digits that is not none or raw (rename the file, or give it a name = ...)"
        )
    return strategy


def _strategy(name: str, content: Mapping[str, Any]) -> Strategy:
    # A group that is switched off is one that is not there.
    confounds = {k: v for k, v in content.get("confounds", {}).items() if v is not False}
    volumes = {k: v for k, v in content.get("volumes", {}).items() if v is not False}
    clean = arguments_of_clean(content.get("clean", {}))
    return Strategy(name, content.get("description", ""), confounds, volumes, clean)


def _refuse_same_labels(given: Sequence[str], strategies: Sequence[Strategy]) -> None:
    first: dict[str, str] = {}
    for text, strategy in zip(given, strategies, strict=True):
        # On file systems that do not tell case apart, these would be the same files.
        label = strategy.label.lower()
        if label in first:
            raise UsageError(
                f"--denoise {first[label]} {text}: outputs of both would be called "
                f"desc-{strategy.label}; leave one out, or give the file another name"
            )
        first[label] = text
