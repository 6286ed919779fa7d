"""How a run was made, recorded in the output dataset for its report.

What differs between invocations is recorded here and not in the sidecars: the same input gives the
same bytes there.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_labelx.files import write_json
from bids_labelx.names import build_name

_FOLDER = Path("logs", "runs")


@dataclass(frozen=True)
class Provenance:
    """How a run was made.

    Attributes
    ----------
    command
        The command line.
    finished
        When, in UTC.
    seconds
        What each step took; None for one that was not.
    """

    command: str
    finished: str
    seconds: Mapping[str, float | None]


def write_provenance(
    output: Path, entities: Mapping[str, str], seconds: Mapping[str, float | None]
) -> None:
    """Record that a run was made just now, by the command of this process.

    Raises
    ------
    CannotWriteError
    """
    finished = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    write_json(
        _path(output, entities),
        {"command": _command(), "finished": finished, "seconds": dict(seconds)},
    )


def read_provenance(output: Path, entities: Mapping[str, str]) -> Provenance | None:
    """How a run was made; None where that is not known."""
    try:
        content = json.loads(_path(output, entities).read_text(encoding="utf-8"))
        return Provenance(content["command"], content["finished"], dict(content["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(output: Path, entities: Mapping[str, str]) -> Path:
    return output / _FOLDER / build_name(entities, "bold", ".json")


def _command() -> str:
    program = Path(sys.argv[0]).name
    return shlex.join(["bids_labelx" if program == "__main__.py" else program, *sys.argv[1:]])
