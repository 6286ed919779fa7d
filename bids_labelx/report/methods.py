"""The methods text: what an invocation with these settings does, for a paper."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib.resources import files

from bids_labelx._version import __version__
from bids_labelx.denoise import Strategy
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.report.pages import render_template
from bids_labelx.settings import Settings


def methods_text(
    settings: Settings, atlases: Iterable[str], strategies: Sequence[Strategy]
) -> str:
    """Write plain paragraphs and the references they cite, separated by blank lines.

    Parameters
    ----------
    settings
        Of the invocation.
    atlases
        Names of the atlases.
    strategies
        The denoising strategies.
    """
    source = files("bids_labelx") / "data" / "bibliography.toml"
    bibliography = tomllib.loads(source.read_text(encoding="utf-8"))
    # In the order in which the template cites them.
    cited: dict[str, None] = {}

    def cite(key: str) -> str:
        cited[key] = None
        return str(bibliography[key]["cited"])

    text = render_template(
        "methods.md",
        version=__version__,
        settings=settings,
        atlases=atlases,
        strategies=strategies,
        measures=[MEASURES[one][1].partition(",")[0] for one in settings.measures],
        bibliography=bibliography,
        cite=cite,
        cited=cited,
    )
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(" ".join(one.split()) for one in paragraphs if one.strip())
