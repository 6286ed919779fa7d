"""Settings out of and into TOML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.files import parse_toml, read_text
from bids_labelx.remote.mirror import place_of
from bids_labelx.remote.urls import of_setting
from bids_labelx.settings.entry import options_of
from bids_labelx.settings.table import Settings


def to_toml(settings: Settings) -> str:
    """The settings as TOML, without those that are None."""
    return options_to_toml(plain_options(settings))


def options_to_toml(options: Mapping[str, Any]) -> str:
    """Options as `plain_options` gives them, as TOML."""
    import tomli_w

    return tomli_w.dumps(options)


def plain_options(settings: Settings) -> dict[str, Any]:
    """The settings by name as text, numbers and lists, without those that are None."""
    values = {one.name: getattr(settings, one.name) for one in options_of(Settings)}
    folders = (one.partition("=") for one in settings.datasets)
    values["datasets"] = tuple(f"{name}={_plain(Path(root))}" for name, _, root in folders)
    return {name: _plain(value) for name, value in values.items() if value is not None}


def changed_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Of options as `to_toml` writes them those that differ from the defaults, as one types them.

    Those that decide only where and how the app runs are not among them.
    """
    changed = {}
    for option in options_of(Settings):
        value = options.get(option.name)
        if option.invocation or value is None or value == _plain(option.default):
            continue
        words = value if isinstance(value, list) else [value]
        as_word = {True: "yes", False: "no"}
        changed[option.shown] = " ".join(
            as_word[one] if isinstance(one, bool) else str(one) for one in words
        )
    return changed


def options_of_results(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of options as `plain_options` gives them those that say how results were made.

    Which runs were asked for, which atlases and strategies, and how the app ran, is not.
    """
    others = ("atlas", "denoise", "atlas_dataset", "atlas_space")
    wanted = [
        one.name
        for one in options_of(Settings)
        if one.group in ("atlas", "signal", "connectivity") and one.name not in others
    ]
    return {name: options[name] for name in wanted if name in options}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return of_setting(value) or place_of(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def read_options(path: Path) -> dict[str, Any]:
    """Options out of a TOML file that `to_toml` wrote or a person did.

    Raises
    ------
    MissingInputError, BadDataError
        Where there is no such file, or it is not TOML.
    """
    try:
        return parse_toml(read_text(path))
    except ValueError as error:
        raise BadDataError(f"--config-file {path}: not a TOML file ({error})") from None
    except LabelxError as error:
        raise type(error)(f"--config-file {error}") from None
