"""Which program wrote a folder of results, and its results as the group level reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from bids_labelx.errors import BadDataError, CannotWriteError, Failure, LabelxError, NoRunsError
from bids_labelx.files import read_json
from bids_labelx.names import parse_name
from bids_labelx.others import giga_connectome, xcpd
from bids_labelx.others.series import OtherSeries, lay_out
from bids_labelx.outputs.results import participants_of
from bids_labelx.words import enumerated

_AGAIN = "run the participant level again"


@dataclass(frozen=True)
class Program:
    """A program whose results can be read.

    Attributes
    ----------
    name
        As its authors write it.
    reference
        Its key in the bibliography.
    versions
        Those that can be read, as a pattern and in words.
    matrices, about, read, notes
        The functions of its module.
    """

    name: str
    reference: str
    versions: tuple[str, str]
    matrices: Callable[[Path], list[Path]]
    about: Callable[[Path], tuple[dict[str, str], str, str]]
    read: Callable[[Path, Path, dict[str, pd.DataFrame | None]], OtherSeries]
    notes: Callable[[Sequence[OtherSeries]], list[str]]


def _program(name: str, reference: str, versions: tuple[str, str], module: Any) -> Program:
    return Program(
        name, reference, versions, module.matrices, module.about, module.read, module.notes
    )


# By the name in their GeneratedBy, in lower case and with _ for -.
PROGRAMS: Mapping[str, Program] = MappingProxyType(
    {
        "xcp_d": _program(
            "XCP-D", "xcpd", (r"0\.1[0-4]|2[4-6]\.", "0.10 to 0.14 and 24 to 26"), xcpd
        ),
        "giga_connectome": _program(
            "giga_connectome",
            "giga_connectome",
            (r"0\.6", "0.6, which writes TSV; older ones write HDF5"),
            giga_connectome,
        ),
    }
)


@dataclass
class LaidOut:
    """Results of another program in a folder of links, as the group level reads them.

    Attributes
    ----------
    folder
        Where they are laid out.
    dataset, about
        The program's folder, and what its ``dataset_description.json`` says.
    program, version
        What made them.
    failures
        What of them cannot be read.
    notes
        What a user has to know of them.
    sources
        The files that those in `folder` stand for.
    """

    folder: Path
    dataset: Path
    about: Mapping[str, Any]
    program: Program
    version: str
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sources: dict[Path, Path] = field(default_factory=dict)

    def told(self, text: str) -> str:
        """A message about what is laid out as one about the program's own files."""

        def source(found: re.Match[str]) -> str:
            return str(self.sources.get(Path(found[1]), found[0]))

        named = re.sub(re.escape(f"{self.folder}/") + r"(sub-[^\s:,;]+)", source, text)
        named = re.sub(
            r"(?<![\w/.])(sub-[^\s:,;]+\.(?:tsv|json))",
            lambda found: str(self.sources.get(Path(found[1]), found[0])),
            named,
        )
        return named.replace(_AGAIN, f"make it again with {self.program.name}")

    def in_their_words(self, failures: list[Failure]) -> None:
        """Have failures name the program's files."""
        failures[:] = [replace(one, message=self.told(one.message)) for one in failures]


def recognise(dataset: Path) -> tuple[Program, str, dict[str, Any]]:
    """The program and version that wrote a folder, and what its description says.

    Raises
    ------
    MissingInputError, BadDataError
        Where it is of no program, or of no version, that can be read.
    """
    path = dataset / "dataset_description.json"
    about = read_json(path)
    made = about.get("GeneratedBy")
    tools = [one for one in made if isinstance(one, dict)] if isinstance(made, list) else []
    # Programs that worked on the output of others list these after themselves.
    first = tools[0] if tools else {}
    program = PROGRAMS.get(str(first.get("Name", "")).lower().replace("-", "_"))
    known = enumerated([f"{one.name} ({one.versions[1]})" for one in PROGRAMS.values()])
    if program is None:
        found = first.get("Name")
        raise BadDataError(
            f"{path}: its GeneratedBy says {found if found else 'no program'}; --results reads "
            f"folders of {known}; what bids_labelx wrote is OUTPUT_DIR itself"
        )
    version = str(first.get("Version", ""))
    if not re.match(program.versions[0], version):
        raise BadDataError(
            f"{path}: written by {program.name} {version or 'of no version'}; --results reads "
            f"versions {program.versions[1]}: other versions may name or mean files otherwise"
        )
    return program, version, about


def open_results(dataset: Path, folder: Path, participants: Collection[str]) -> LaidOut:
    """Lay out the results of another program.

    Parameters
    ----------
    dataset
        The program's folder; nothing is written into it.
    folder
        An empty one.
    participants
        Labels without ``sub-``; all where there are none.

    Raises
    ------
    LabelxError
        Where the folder is of no program that can be read, or has no matrix.
    """
    program, version, about = recognise(dataset)
    found = LaidOut(folder, dataset, about, program, version)
    atlases: dict[str, pd.DataFrame | None] = {}
    read: dict[str, OtherSeries] = {}
    for participant in participants_of(dataset):
        if participants and participant not in participants:
            continue
        root = dataset / f"sub-{participant}"
        for func in (root / "func", *sorted(root.glob("ses-*/func"))):
            for matrix in program.matrices(func):
                try:
                    one = program.read(dataset, matrix, atlases)
                    made = lay_out(one, folder)
                except CannotWriteError:
                    raise
                except (LabelxError, OSError) as error:
                    run, atlas, strategy = program.about(matrix)
                    found.failures.append(Failure(str(error), run, (strategy,), (atlas,)))
                    continue
                found.sources |= made
                read.setdefault(one.sidecar["Atlas"], one)
    found.notes += program.notes(list(read.values()))
    if not found.sources and not found.failures:
        raise NoRunsError(_nothing(dataset, program))
    return found


def _nothing(dataset: Path, program: Program) -> str:
    hdf5 = sorted(path.name for path in dataset.rglob("*.h5") if parse_name(path).suffix)
    if hdf5:
        return (
            f"{dataset}: {hdf5[0]} and no table of {program.name}; its HDF5 files are not read: "
            f"run {program.name} 0.6 again, which writes TSV"
        )
    return f"{dataset}: no matrix of {program.name} (*_relmat.tsv with its time series) in it"
