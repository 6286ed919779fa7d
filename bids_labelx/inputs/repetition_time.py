"""The repetition time of a run, from its sidecar and its header."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from bids_labelx.errors import BadDataError
from bids_labelx.inputs.run import Run

LOGGER = logging.getLogger("bids_labelx")

# Repetition times in seconds beyond which a number is a mistake, mostly of milliseconds.
_SHORTEST, _LONGEST = 0.1, 20.0


def repetition_time(run: Run, of_image: float | None, given: float | None = None) -> float | None:
    """The repetition time in seconds: `given`, else the sidecar's, else `of_image`, the image's.

    Else it is the one that the sidecars of all other images of the run agree on: what tedana
    writes has neither a sidecar nor a unit in the header, and fMRIPrep's echoes have.

    None where nothing says it, and where the sidecar has ``VolumeTiming``, which BIDS has for
    volumes at uneven intervals.

    Raises
    ------
    BadDataError
        Where the two differ by more than 1 ms, the sidecar's is not a positive number, one that is
        used is beyond 0.1 to 20 s, or the sidecar has both RepetitionTime and VolumeTiming.
    """
    stated = run.metadata.get("RepetitionTime")
    if run.metadata.get("VolumeTiming") is not None:
        if stated is not None:
            raise BadDataError(
                f"{run.name}: the sidecar has both RepetitionTime and VolumeTiming, of which BIDS "
                "allows one; take out the one that is wrong"
            )
        return None
    if given is not None:
        if stated is not None and not (_is_positive(stated) and abs(given - stated) <= 1e-3):
            LOGGER.warning(
                "%s: --repetition-time %g s is used, the sidecar says %.40r s",
                run.name,
                given,
                stated,
            )
        return given
    if stated is not None and not _is_positive(stated):
        raise BadDataError(
            f"{run.name}: RepetitionTime in the sidecar is {json.dumps(stated)[:40]}, a positive "
            "number of seconds is expected"
        )
    read = of_image or 0.0
    if stated is None and read <= 0:
        return _of_other_images(run)
    if stated is None:
        return _plausible(read, f"{run.name}: the image's header")
    if read > 0 and abs(read - stated) > 1e-3:
        raise BadDataError(
            f"{run.name}: the sidecar says RepetitionTime {stated} s, the image's header "
            f"{read:g} s; correct the one that is wrong"
        )
    return _plausible(float(stated), f"{run.name}: the sidecar")


def _of_other_images(run: Run) -> float | None:
    times = {t_r for t_r in run.times_elsewhere.values() if _is_positive(t_r)}
    if len(times) != 1 or len(run.times_elsewhere) == 0:
        return None
    path = next(iter(run.times_elsewhere))
    LOGGER.info("%s: the repetition time is that of the sidecar of %s", run.name, path)
    return _plausible(float(times.pop()), f"the sidecar of {path}")


def header_time(header: Any) -> float | None:
    """The repetition time in seconds that an image's header has, in a unit that it names."""
    zooms = header.get_zooms()
    scale = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(_time_unit(header))
    return float(zooms[3]) * scale if scale is not None and len(zooms) > 3 else None


def gifti_time(metadata: Mapping[str, str]) -> float | None:
    """The repetition time in seconds that ``TimeStep`` of a GIFTI file means, where it has one.

    No unit is given: a number that no BOLD run has in seconds is one of milliseconds.
    """
    try:
        step = float(metadata.get("TimeStep", ""))
    except ValueError:
        return None
    if not 0 < step < float("inf"):
        return None
    return step if step <= _LONGEST else step / 1e3


def _time_unit(header: Any) -> str:
    try:
        return str(header.get_xyzt_units()[1])
    except (AttributeError, KeyError):
        # Another format, or a code that NIfTI does not have.
        return "unknown"


def _is_positive(value: object) -> bool:
    """Whether a value of a sidecar is a positive, finite number: true is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return 0 < value <= sys.float_info.max


def _plausible(seconds: float, where: str) -> float:
    if not _SHORTEST <= seconds <= _LONGEST:
        raise BadDataError(
            f"{where} says RepetitionTime {seconds:g} s, of BOLD runs {_SHORTEST:g} to "
            f"{_LONGEST:g} s are expected; correct it (perhaps it is in milliseconds), or give "
            "--repetition-time"
        )
    return seconds
