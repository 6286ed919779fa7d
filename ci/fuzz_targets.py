"""The readers that `ci/fuzz` feeds with spoilt files, each with a simple reading of its own.

What a reader takes is compared with that simple reading, and refusing is always right.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import small_study
from fuzz_engine import Absurd, Attempt
from small_study import N_VOLUMES, T_R

from bids_labelx.atlases.tables import read_table
from bids_labelx.denoise import (
    Strategy,
    read_confounds_table,
    read_strategies,
    select,
)
from bids_labelx.errors import LabelxError
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.images import open_image
from bids_labelx.participant.denoise_run import denoise_signals
from bids_labelx.participant.extract import errors_naming
from bids_labelx.participant.records import Extracted, RunSource, SignalKey
from bids_labelx.settings import DenoisingOptions


def require(holds: object, kind: str, detail: object = "") -> None:
    """Raise `Absurd` unless something holds."""
    if not holds:
        raise Absurd(kind, str(detail)[:300])


def plain_text(content: bytes) -> str:
    """UTF-8, with or without a byte order mark, and line endings of any system."""
    return re.sub("\r\n|\r", "\n", content.decode("utf-8-sig"))


# The volume stream


def stream(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """BOLD images: spoilt as they are, and spoilt before they are packed (``…_inner.nii.gz``)."""
    rng = np.random.default_rng(0)
    files: dict[str, bytes] = {}
    for kind, slope, inter in (
        *(("<i2", 0.5, 0), ("<f4", 1, 0), ("u1", 1, -3), (">i2", 2, 1), ("<f8", 1, 0)),
        ("<u2", 1, 0),
    ):
        data = (100 + 20 * rng.standard_normal((3, 4, 2, 6))).astype(kind)
        header = nib.Nifti1Header(endianness=kind[0] if kind[0] == ">" else "<")
        header.set_data_dtype(data.dtype)
        image = nib.Nifti1Image(data, small_study.AFFINE, header)
        image.header.set_slope_inter(slope, inter)
        name = f"{image.header.endianness}{kind[-2:]}".replace("<", "little").replace(">", "big")
        plain = image.to_bytes()
        files |= {f"{name}.nii": plain, f"{name}_inner.nii.gz": plain}
        files[f"{name}.nii.gz"] = gzip.compress(plain, mtime=0)

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(gzip.compress(content, 1) if "_inner" in name else content)
        image = open_image(path)
        with errors_naming(path):
            VolumeGrid.of(image.shape, image.affine)
            run = open_run_data(path)
            ours = np.concatenate([run.scale(raw) for _, raw in run.blocks(2)])
        data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else content
        theirs = nib.load(path)
        stored: Any = theirs.dataobj
        promised = stored.offset + int(np.prod(theirs.shape)) * stored.dtype.itemsize
        values = theirs.get_fdata(caching="unchanged").reshape(-1, len(ours), order="F").T
        same = np.array_equal(ours, values, equal_nan=True)
        require(same, "other numbers than nibabel's", f"{ours.shape} {theirs.shape}")
        # Zeros that fill up a sector, less than a volume of them, are no data.
        more = data[promised:]
        volume = (promised - stored.offset) // len(ours)
        fits = len(more) < volume and not more.strip(b"\0")
        require(fits, "more data than promised", f"{len(data)} > {promised}")
        require(stored.offset >= 352, "data that begin in the header", stored.offset)
        require(np.isfinite(theirs.affine).all(), "an affine that is not finite", theirs.affine)

    return files, attempt


# Label tables

_LABELS = {
    "bids.tsv": "index\tname\tnetwork\n10\tVis_1\tVis\n30\tMot 2\tMot\n9170\tDef\tD\n2\tA\tB\n",
    "quoted.tsv": 'index\tname\tcolor\n0\tbackground\t#0\n1\t"a ""b"" c"\t#ffffff\n2\tb\tn/a\n',
    "other.csv": "ROI number,Label name,hemisphere\n1,insula,L\n2,insula,R\n3,thalamus,L\n",
    "semicolon.csv": "name;id\nleft;1\nright;2\n",
    "freesurfer.txt": "#No. Label R G B A\n0 Unknown 0 0 0 0\n2 Left-WM 245 245 245 0\n"
    "3 Left-Cortex 205 62 78 0\n1001 ctx-lh 25 100 40 0\n",
    "workbench.txt": "L_V1\n1 255 0 0 255\nL_MST\n2 0 255 10 255\nR_V1\n181 0 0 255 255\n",
    "itksnap.txt": '# ITK\n0 0 0 0 0 0 0 "Clear Label"\n1 255 0 0 1 1 1 "Left A"\n'
    '2 0 255 0 1 1 1 "Right B"\n',
    "fsl.lut": "1 0.10 0.20 0.30 Frontal Pole\n2 0.5 1.0 0 Insular Cortex\n48 1 0 1 Occipital\n",
    "mricron.txt": "1\tPrecentral_L\t2001\n2\tPrecentral_R\t2002\n3\tFrontal_Sup_L\t2101\n",
    "fsl.xml": '<?xml version="1.0"?>\n<atlas version="1.0"><header><name>A</name><type>Label'
    '</type></header><data><label index="0" x="1">None</label>\n<label index="1" x="2">Left &amp;'
    ' up</label>\n<label index="7" x="3">Right</label></data></atlas>\n',
    "maxprob.xml": "<atlas><header><type>Probabilistic</type></header><data>\n"
    '<label index="0">One</label>\n<label index="1">Two</label></data></atlas>\n',
}


def labels(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Label tables in each format that is read."""

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        table = read_table(path)
        pairs = list(zip(table["index"].tolist(), table["name"], strict=True))
        require(len(dict(pairs)) == len(pairs), "an index twice", pairs)
        require(len({one for _, one in pairs}) == len(pairs), "a name twice", pairs)
        require(all(index > 0 for index, _ in pairs), "an index that is none", pairs)
        cells = [one for column in table.columns[1:] for one in table[column]]
        controls = [one for one in [*table.columns, *cells] if re.search("[\0-\x1f\x7f]", one)]
        require(not controls, "a control character", controls)
        require(all(one == one.strip() and one for _, one in pairs), "a blank name", pairs)
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<!--", b"<atlas")):
            expected = _xml_labels(content)
            require(pairs == expected, "other labels than in the XML", f"{pairs} {expected}")
            return
        lines = [line for line in plain_text(content).split("\n") if line.strip()]
        for index, region in pairs:
            found = any(_on_line(index, region, lines[k : k + 2]) for k in range(len(lines)))
            require(found, "a label that stands in no line", f"{index} {region}")
        header = lines[0].split("\t")
        if {"index", "name"} <= set(header):
            place = header.index("index")
            rows = [line.split("\t") for line in lines[1:] if line.strip()]
            known = [int(float(row[place].strip('" '))) for row in rows]
            indices = [index for index in known if index]
            require(indices == [index for index, _ in pairs], "other indices", indices)

    return {name: text.encode() for name, text in _LABELS.items()}, attempt


def _on_line(index: int, name: str, lines: list[str]) -> bool:
    """Whether a label stands on a line, or with its number on the next, as Workbench has it."""
    number = re.compile(rf"(?<![0-9])0*{index}(\.0*)?(?![0-9])")
    # Names are completed by a hemisphere or the index where they are not unique.
    words = {name, name.rpartition("_")[0] or name}
    text = lines[0] + lines[0].replace('""', '"')
    return any(word in text for word in words) and any(map(number.search, lines))


def _xml_labels(content: bytes) -> list[tuple[int, str]]:
    root = ElementTree.fromstring(content)  # noqa: S314 - small files made here
    shift = int(root.findtext("header/type", "").strip().lower().startswith("prob"))
    found = [
        (int(re.sub(r"\.0*$", "", one.get("index", "").strip())) + shift, "".join(one.itertext()))
        for one in root.findall("data/label")
    ]
    return [(index, name.strip()) for index, name in found if index]


# Confounds tables

COMPCOR = {
    f"a_comp_cor_{k:02d}": {"Method": "aCompCor", "Mask": "combined", "Retained": k < 6}
    | {"CumulativeVarianceExplained": 0.1 * (k + 1)}
    for k in range(8)
}
OWN = """
[confounds]
motion = "basic"
columns = ["^a_comp_cor_0[0-3]$", { name = "std_dvars", required = false }]
[volumes.scrub]
std_dvars_threshold = 1.09
[clean]
detrend = true
"""


def confounds_columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    drawn = small_study.draw_run(0).confounds
    return drawn | {name: rng.standard_normal(N_VOLUMES) for name in list(COMPCOR)[:6]}


def _signals() -> Extracted:
    signals = np.random.default_rng(4).normal(100, 1, (N_VOLUMES, 3))
    return Extracted({SignalKey(0, "mean"): signals}, (), np.zeros((1, 1, 1)))


def run_strategies(folder: Path, table: Path, strategies: list[Strategy]) -> None:
    """Denoise by strategies; what is denoised has to be finite, and without the regressors."""
    source = RunSource(folder / "bold.nii", confounds=table, t_r=T_R)
    denoised = denoise_signals(_signals(), source, strategies, DenoisingOptions())
    for key, series in denoised.signals.items():
        applied = denoised.applied[key.strategy]
        require(np.isfinite(series).all(), "series that are not finite", key.strategy)
        rows = applied.n_kept if len(series) != N_VOLUMES else N_VOLUMES
        require(len(series) == rows, "another number of rows", f"{len(series)} {rows}")
        require(applied.degrees_of_freedom > -N_VOLUMES, "no degrees of freedom", key.strategy)


def confounds(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
    """Confounds tables, as three strategies use them."""
    columns = confounds_columns()
    text = small_study.table_text(columns)
    old = {"X": columns["trans_x"], "Y": columns["trans_y"], "Z": columns["trans_z"]}
    old |= {name: columns[f"rot_{name[-1].lower()}"] for name in ("RotX", "RotY", "RotZ")}
    old |= {"stdDVARS": columns["std_dvars"]}
    files = {"new.tsv": text.encode(), "old.tsv": small_study.table_text(old).encode()}
    files["quoted.tsv"] = text.replace("trans_x\t", '"trans_x"\t').encode()
    (folder / "own.toml").write_text(OWN)
    strategies = read_strategies(["simple", "scrubbing.5", folder / "own.toml"])

    def attempt(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        table = read_confounds_table(path)
        naive = _naive_columns(content)
        done, refused = [], None
        for strategy in strategies:
            try:
                chosen = select(strategy, table, N_VOLUMES, source=str(path), t_r=T_R)
            except LabelxError as error:
                refused = error
                continue
            done.append(strategy)
            for column, values in zip(chosen.columns, chosen.regressors.T, strict=True):
                expected = _filled(naive, column)
                same = np.array_equal(values, expected)
                require(same, "a regressor with other numbers", f"{column} {values} {expected}")
            scrub = strategy.volumes.get("scrub", {})
            over = np.zeros(N_VOLUMES, bool)
            if "fd_threshold" in scrub and "framewise_displacement" in naive:
                over = _values(naive, "framewise_displacement") > scrub["fd_threshold"]
            elif "std_dvars_threshold" in scrub:
                over = _values(naive, "std_dvars") > scrub["std_dvars_threshold"]
            require(not (chosen.kept & over).any(), "a volume kept that is over", strategy.name)
        if done:
            run_strategies(folder, path, done)
        elif refused is not None:
            raise refused

    return files, attempt


_OLD = {"X": "trans_x", "Y": "trans_y", "Z": "trans_z", "stdDVARS": "std_dvars"}
_OLD |= {f"Rot{axis}": f"rot_{axis.lower()}" for axis in "XYZ"}


def _naive_columns(content: bytes) -> dict[str, list[str]]:
    """Cells by heading; of a heading that stands twice, none."""
    lines = plain_text(content).split("\n")
    rows = [
        [cell.strip().strip('"') for cell in line.split("\t")] for line in lines if line.strip()
    ]
    header = [cell.strip() for cell in rows[0]]
    found = {
        name: [row[k] for row in rows[1:]]
        for k, name in enumerate(header)
        if name and header.count(name) == 1
    }
    new = {name: _OLD.get(name, name) for name in found}
    return {name if new[name] in found else new[name]: cells for name, cells in found.items()}


def _values(naive: Mapping[str, list[str]], column: str) -> np.ndarray:
    """Cells as numbers, NaN for what is none."""

    def number(cell: str) -> float:
        try:
            return float(cell) if "_" not in cell else float("nan")
        except ValueError:
            return float("nan")

    require(column in naive, "a column that is not there once", column)
    return np.array([number(cell) for cell in naive[column]])


def _filled(naive: Mapping[str, list[str]], column: str) -> np.ndarray:
    values = _values(naive, column)
    if np.isnan(values[0]):
        values[0] = values[1]
    return values
