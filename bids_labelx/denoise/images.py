"""Which images a strategy is for, so that none is denoised twice."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from bids_labelx.denoise.strategies import Strategy
from bids_labelx.errors import BadDataError


def earlier_regression(entities: Mapping[str, str], metadata: Mapping[str, Any]) -> str:
    """What tells that confounds were regressed out of an image before, whatever its ``desc-``.

    Parameters
    ----------
    entities
        Those of its name.
    metadata
        Its sidecar.

    Returns
    -------
    str
        Who did it and where that stands, for messages; empty where nothing says so.
    """
    steps = str(metadata.get("CpacProvenance", ""))
    for one in _known_images():
        if (key := one.get("entity", "")) in entities:
            return f"{one['by']} ({key}-{entities[key]} in its name)"
        if "provenance" in one and re.search(one["provenance"], steps):
            return f"{one['by']} (CpacProvenance in its sidecar)"
    return ""


def check_image(strategy: Strategy, desc: str, producer: str, regressed: str = "") -> None:
    """Refuse an image that a strategy is not for.

    Parameters
    ----------
    strategy
        The strategy.
    desc
        The ``desc-`` of the image, empty where it has none.
    producer
        The program that made it, empty where nothing says so.
    regressed
        What `earlier_regression` tells of the image.

    Raises
    ------
    BadDataError
        Where the strategy is for others, or the image is one that is not to be cleaned again.
    """
    cleans = bool(strategy.clean) or _regresses(strategy)
    if regressed and cleans:
        raise BadDataError(
            f"--denoise {strategy.name}: the image is {_called(desc)}, which {regressed} has "
            "denoised already; --denoise none takes it as it is"
        )
    if strategy.images:
        if desc not in strategy.images:
            raise BadDataError(
                f"--denoise {strategy.name} is for images with desc- "
                f"{' or '.join(strategy.images)}, this one is {_called(desc)}; choose them with "
                f'--bids-filter-file ({{"bold": {{"desc": "{strategy.images[0]}"}}}}, and '
                '"dataset" where they are in one of --datasets), or choose another strategy'
            )
        return
    known = _denoised(desc, producer) or {}
    if known.get("all") and cleans:
        raise BadDataError(
            f"{_told(strategy, desc, producer)}; --denoise none takes it as it is. A strategy "
            f'file for such images says so: images = ["{desc}"]'
        )


def check_regressors(strategy: Strategy, desc: str, producer: str, columns: Sequence[str]) -> None:
    """Refuse regressors that were removed from an image before; see `check_image`.

    Parameters
    ----------
    columns
        The regressors that the strategy takes.

    Raises
    ------
    BadDataError
    """
    known = _denoised(desc, producer)
    if known is None:
        return
    again = [one for one in columns if re.fullmatch(known.get("columns", "(?!)"), one)]
    if again or (known.get("tedana") and _takes_tedana(strategy)):
        what = ", ".join(again[:3]) + (", …" if len(again) > 3 else "") or "tedana's components"
        raise BadDataError(
            f"{_told(strategy, desc, producer)}, and the strategy would regress out {what} "
            "again; choose another strategy, or the image before that"
        )


def _called(desc: str) -> str:
    return f"desc-{desc}_bold" if desc else "an image without desc-"


def _told(strategy: Strategy, desc: str, producer: str) -> str:
    by = denoised_by(desc, producer)
    return (
        f"--denoise {strategy.name}: the image is {_called(desc)}, which {by} has denoised already"
    )


def denoised_by(desc: str, producer: str) -> str:
    """What has denoised an image before, in words; empty where nothing is known to."""
    known = _denoised(desc, producer)
    if known is None:
        return ""
    return f"{producer} ({known['by']})" if producer and known.get("all") else str(known["by"])


def _regresses(strategy: Strategy) -> bool:
    """Whether it takes regressors; a table may be there for displacement alone."""
    tables = strategy.confounds.get("tables", ())
    of_tables = any({"columns", "tedana"} & one.keys() for one in tables)
    return of_tables or bool(strategy.confounds.keys() - {"tables"})


def _takes_tedana(strategy: Strategy) -> bool:
    return any("tedana" in one for one in strategy.confounds.get("tables", ()))


def _denoised(desc: str, producer: str) -> dict[str, Any] | None:
    """What is known of an image that was denoised before; None where nothing is."""
    for one in _known_images():
        if desc in one.get("desc", ()) and one.get("producer", "") in producer.lower():
            return one
    return None


def _known_images() -> list[dict[str, Any]]:
    text = (files("bids_labelx") / "data" / "denoised.toml").read_text("utf-8")
    return list(tomllib.loads(text)["images"])
