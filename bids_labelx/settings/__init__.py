"""One frozen, validated object of settings, in and out of TOML, and the table of its options."""

from bids_labelx.settings.parts import (
    ConnectivityOptions,
    DenoisingOptions,
    ExtractionOptions,
    LabelOptions,
)
from bids_labelx.settings.table import Settings, content_settings
from bids_labelx.settings.toml import (
    changed_options,
    options_of_results,
    options_to_toml,
    plain_options,
    read_options,
    to_toml,
)
from bids_labelx.settings.validate import make_settings

__all__ = [
    "ConnectivityOptions",
    "DenoisingOptions",
    "ExtractionOptions",
    "LabelOptions",
    "Settings",
    "changed_options",
    "content_settings",
    "make_settings",
    "options_of_results",
    "options_to_toml",
    "plain_options",
    "read_options",
    "to_toml",
]
