"""Tables, JSON and TOML that are broken, odd or no files at all: each fails its run, by name."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from bids_labelx.app.cli import main
from bids_labelx.denoise.confounds import read_confounds_metadata
from bids_labelx.errors import LabelxError
from bids_labelx.files import read_json
from bids_labelx.outputs.failures import read_failures

AddRun = Callable[..., Path]
Change = Callable[[Path], None]

TR = '{"RepetitionTime": %s}'
# A number of as many digits as JSON may have, and one that no float holds.
DIGITS, HUGE = "1" * 5000, "1" + "0" * 400


def text(content: str | bytes) -> Change:
    """Replace a file's content."""
    return lambda path: void(
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    )


def void(_: object) -> None:
    """Nothing, of something."""


def edit(change: Callable[[str], str], encoding: str = "utf-8") -> Change:
    """Change the text of a file."""
    return lambda path: void(path.write_bytes(change(path.read_text()).encode(encoding)))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def plug(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as one:
        # A path of a socket is short.
        before = os.open(".", os.O_RDONLY)
        os.chdir(path.parent)
        one.bind("s")
        os.fchdir(before)
        os.close(before)
    (path.parent / "s").rename(path)


def enormous(path: Path) -> None:
    path.write_text("")
    os.truncate(path, 2**41)


def lines(change: Callable[[list[list[str]]], None]) -> Change:
    """Change the cells of a table."""

    def apply(path: Path) -> None:
        cells = [line.split("\t") for line in path.read_text().splitlines()]
        change(cells)
        path.write_text("".join("\t".join(row) + "\n" for row in cells))

    return apply


def at(row: int, column: str, value: str) -> Change:
    return lines(lambda cells: cells[row].__setitem__(cells[0].index(column), value))


def named_twice(cells: list[list[str]]) -> None:
    cells[0][cells[0].index("trans_y")] = "trans_x"


def blanked(cells: list[list[str]]) -> None:
    """All but the first two cells of the first row empty, as where it was cut."""
    cells[1][2:] = [""] * (len(cells[0]) - 2)


def flags(cells: list[list[str]]) -> None:
    column = cells[0].index("csf")
    for number, row in enumerate(cells[1:]):
        row[column] = str(number % 3 == 0)


# By participant: the file, what is done to it, and what has to be told of it.
SIDECARS: dict[str, tuple[Change, str]] = {
    "true": (text(TR % "true"), "RepetitionTime in the sidecar is true, a positive number"),
    "infinity": (text(TR % "Infinity"), "RepetitionTime in the sidecar is Infinity"),
    "nan": (text(TR % "NaN"), "RepetitionTime in the sidecar is NaN"),
    "huge": (text(TR % HUGE), "RepetitionTime in the sidecar is 1000"),
    "digits": (text(TR % DIGITS), "not valid JSON"),
    "words": (text(TR % '"2.0"'), 'RepetitionTime in the sidecar is "2.0"'),
    "twice": (
        text('{"RepetitionTime": 2.0, "RepetitionTime": 1.5}'),
        "RepetitionTime stands in it twice, as 2.0 and 1.5",
    ),
    "brackets": (text("[" * 100_000), "its brackets are nested too deep"),
    "objects": (text('{"a":' * 100_000), "its brackets are nested too deep"),
    "list": (text("[]"), "a JSON object is expected, found list"),
    "empty": (text(""), "not valid JSON"),
    "half": (text('{"RepetitionTime": 2'), "not valid JSON"),
    "surrogate": (text('{"Resolution": "\\ud800"}'), "not valid JSON"),
    "latin": (text('{"a": "Universität"}'.encode("latin-1")), "line 1: not UTF-8"),
    "wide": (text('{"RepetitionTime": 2.0}'.encode("utf-16")), "not a text file in UTF-8"),
    "pipe": (pipe, "it is a named pipe, a regular file is expected"),
    "device": (device, "it is a device, a regular file is expected"),
    "folder": (folder, "it is a folder, a regular file is expected"),
    "socket": (plug, "cannot be read"),
    "enormous": (enormous, "2199023 MB; at most"),
}
TABLES: dict[str, tuple[Change, str]] = {
    "twice": (lines(named_twice), "2 columns are called trans_x"),
    "firstcut": (lines(blanked), "row 1 (of 40) is n/a, a number is expected"),
    "rowcut": (lines(lambda cells: cells[1].__delitem__(slice(2, None))), "line 2: 2 fields"),
    "headercut": (lines(lambda cells: cells[0].__delitem__(-1)), "line 2: "),
    "flags": (lines(flags), "column csf, row 1 (of 40) is 'True', a number is expected"),
    "infinite": (at(7, "rot_x", "inf"), "column rot_x, row 7 (of 40) is inf"),
    "huge": (at(7, "rot_x", "1e400"), "column rot_x, row 7 (of 40) is inf"),
    "digits": (at(7, "rot_x", DIGITS), "column rot_x, row 7 (of 40) is inf"),
    "comma": (at(7, "rot_x", "1,5"), "column rot_x, row 7 (of 40) is '1,5'"),
    "hole": (at(7, "rot_x", "n/a"), "column rot_x, row 7 (of 40) is n/a"),
    "longer": (edit(lambda all_: all_ + all_.splitlines()[-1] + "\n"), "41 rows, but the BOLD"),
    "shorter": (lines(lambda cells: cells.__delitem__(-1)), "39 rows, but the BOLD"),
    "header": (edit(lambda all_: all_.partition("\n")[0] + "\n"), "0 rows, but the BOLD"),
    "empty": (text(""), "an empty file"),
    "wide": (edit(str, "utf-16"), "not a text file in UTF-8"),
    "zeros": (edit(lambda all_: all_[:100] + "\0" * 500), "not a text file in UTF-8"),
    "pipe": (pipe, "it is a named pipe, a regular file is expected"),
    "device": (device, "it is a device, a regular file is expected"),
    "enormous": (enormous, "2199023 MB; at most"),
}
# Which mean the same as before.
HARMLESS: dict[str, tuple[str, Change]] = {
    "bom": ("_bold.json", text(b"\xef\xbb\xbf" + (TR % "2.0").encode())),
    "same": ("_bold.json", text('{"RepetitionTime": 2.0, "RepetitionTime": 2.0}')),
    "crlf": ("_bold.json", text('{"RepetitionTime":\r\n 2e0}\r\n')),
    "tablebom": ("_timeseries.tsv", edit(lambda all_: "\ufeff" + all_)),
    "tablecrlf": ("_timeseries.tsv", edit(lambda all_: all_.replace("\n", "\r\n"))),
    "blanklines": ("_timeseries.tsv", edit(lambda all_: all_ + "\n \n\n")),
    "noend": ("_timeseries.tsv", edit(str.rstrip)),
}


def spoiled_runs() -> Iterator[tuple[str, str, Change, str]]:
    """Participant, end of the file, what is done to it, and what has to be told."""
    for kind, faults in {"json": SIDECARS, "tsv": TABLES}.items():
        end = "_bold.json" if kind == "json" else "_timeseries.tsv"
        for name, (change, words) in faults.items():
            yield f"{kind}{name}", end, change, words
    for name, (end, change) in HARMLESS.items():
        yield f"good{name}", end, change, ""
    yield "masksocket", "_mask.nii.gz", plug, "cannot be read"
    yield "maskpipe", "_mask.nii.gz", pipe, "it is a named pipe"
    yield "boldpipe", "_bold.nii.gz", pipe, "it is a named pipe"
    yield "bolddevice", "_bold.nii.gz", device, "it is a device"


def test_each_broken_table_and_sidecar_fails_its_own_run_by_name_and_the_others_are_done(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    told = {}
    for label, end, change, words in spoiled_runs():
        # The same numbers in all, so that what is done can be compared.
        add_run(root, f"sub-{label}_task-rest")
        (path,) = (root / f"sub-{label}" / "func").glob(f"*{end}")
        change(path)
        if words:
            # What is wrong with the values of several sidecars is told of their image.
            of_image = words.startswith("RepetitionTime in the sidecar")
            told[label] = (path.name.partition("_desc-")[0] if of_image else path.name, words)
    add_run(root, "sub-plain_task-rest")
    started = time.monotonic()
    arguments = [str(root), str(out), "participant", "--atlas-dataset", str(atlas_dataset)]
    assert main([*arguments, "--denoise", "simple", "--nprocs", "1"]) == 1
    # A pipe or device that is read would never end.
    assert time.monotonic() - started < 120
    message = capsys.readouterr().err
    assert "Traceback" not in message
    shown = {one.entities["sub"]: one.message for one in read_failures(out)}
    assert shown.keys() == told.keys()
    for label, (name, words) in told.items():
        assert name in shown[label], label
        assert words in shown[label], (label, shown[label])
    series = {
        path.parts[-3].removeprefix("sub-"): path.read_bytes()
        for path in out.glob("sub-*/func/*_timeseries.tsv")
    }
    assert series.keys() == {"plain", *(f"good{name}" for name in HARMLESS)}
    assert set(series.values()) == {series["plain"]}
    assert not list(out.rglob(".tmp-*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "nested too deep"),
        (
            '{"a_comp_cor_00": {"Mask": "WM"}, "a_comp_cor_00": {"Mask": "CSF"}}',
            "stands in it twi",
        ),
        ("null", "a JSON object is expected"),
    ],
)
def test_the_json_of_confounds_is_read_as_every_json(
    tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(LabelxError, match=words):
        read_confounds_metadata(tmp_path / "c.tsv")


def test_json_that_says_nothing_odd_is_read_as_it_is(tmp_path: Path) -> None:
    content = {"a": "😀", "b": {"a": [1, {"a": None}]}, "A": "\\ud83d", "x": float("inf")}
    path = tmp_path / "a.json"
    # As ASCII, in which the character outside of the first plane is two halves.
    path.write_text(json.dumps(content))
    assert "\\ud83d\\ude00" in path.read_text()
    assert read_json(path) == content


CONFOUNDS_JSON = {
    f"a_comp_cor_0{i}": {
        "Method": "aCompCor",
        "Mask": "WM",
        "Retained": True,
        "CumulativeVarianceExplained": 0.2 * (i + 1),
    }
    for i in range(3)
}


@pytest.mark.parametrize("value", ["0.5", True, None, [1], float("nan"), 10**400, -1])
def test_the_share_of_a_component_that_is_no_number_fails_the_strategy_by_name(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    value: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bold = add_run(tmp_path / "ds")
    (table,) = bold.parent.glob("*_timeseries.tsv")
    columns = pd.read_csv(table, sep="\t")
    for number, name in enumerate(CONFOUNDS_JSON):
        columns[name] = columns["csf"] ** (number + 2)
    columns.to_csv(table, sep="\t", index=False, na_rep="n/a")
    odd = json.loads(json.dumps(CONFOUNDS_JSON))
    odd["a_comp_cor_01"]["CumulativeVarianceExplained"] = value
    table.with_suffix(".json").write_text(json.dumps(odd))
    strategy = tmp_path / "half.toml"
    strategy.write_text('[confounds]\ncompcor = {masks = ["WM"], variance = 0.5}\n')
    out = tmp_path / "out"
    arguments = [str(tmp_path / "ds"), str(out), "participant", "--atlas-dataset"]
    more = [str(atlas_dataset), "--denoise", "none", str(strategy), "--nprocs", "1"]
    assert main([*arguments, *more]) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert table.with_suffix(".tsv").name in message
    assert "a_comp_cor_01: CumulativeVarianceExplained is" in message
    assert len(list(out.glob("sub-01/func/*desc-raw_timeseries.tsv"))) == 1
    assert not list(out.glob("sub-01/func/*desc-half_timeseries.tsv"))


OPTION_FILES = {
    "brackets.json": ("[" * 100_000, "nested too deep"),
    "brackets.toml": ("a = " + "[" * 100_000, "nested too deep|invalid|Cannot|not a TOML|no TOML"),
    "latin.json": ('{"name": "Universität"}'.encode("latin-1"), "not UTF-8"),
    "latin.toml": ('name = "Universität"'.encode("latin-1"), "not UTF-8"),
    "pipe.json": (None, "it is a named pipe"),
    "pipe.toml": (None, "it is a named pipe"),
    "pipe.yml": (None, "it is a named pipe"),
    "brackets.yml": ("[" * 100_000, "nested too deep"),
    "latin.yml": ('plugin: "Universität"'.encode("latin-1"), "not UTF-8"),
}


FORMATS = {
    "--bids-filter-file": (".json",),
    "--denoise": (".json", ".toml"),
    "--config-file": (".toml",),
    "--nipype-plugin-file": (".yml", ".toml"),
}


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (option, name)
        for option, ends in FORMATS.items()
        for name in OPTION_FILES
        if name.endswith(ends)
    ],
)
def test_a_broken_file_of_an_option_is_refused_by_option_and_name(
    tmp_path: Path, option: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "dataset_description.json").write_text("{}")
    path = tmp_path / name
    content, words = OPTION_FILES[name]
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = [str(tmp_path / "ds"), str(tmp_path / "out"), "participant", "--atlas", "x.nii"]
    assert main([*arguments, option, str(path)]) == 65
    message = capsys.readouterr().err
    assert str(path) in message
    assert any(word in message for word in words.split("|")), message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[volumes.scrub]\nfd_threshold = {huge}", "fd_threshold is 1000"),
        ("[volumes.scrub]\nfd_threshold = 0.5\nmin_segment = {huge}", "min_segment is 1000"),
        ("[clean]\nfilter = 'butterworth'\nlow_pass = {huge}", "low_pass is 1000"),
        ("[clean]\nfilter = 'butterworth'\nlow_pass = inf", "low_pass is Infinity"),
        ("[confounds]\ncompcor = {{masks = ['WM'], components = {huge}}}", "components is 1000"),
        ("[volumes]\nnon_steady_state = {huge}", "non_steady_state is 1000"),
    ],
)
def test_a_huge_number_of_a_strategy_is_refused_by_key(
    tmp_path: Path, line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = tmp_path / "s.toml"
    strategy.write_text(line.format(huge=HUGE) + "\n")
    arguments = [str(tmp_path), str(tmp_path / "out"), "participant", "--atlas", "x.nii"]
    assert main([*arguments, "--denoise", str(strategy)]) == 65
    message = capsys.readouterr().err
    assert str(strategy) in message
    assert words in message


@pytest.mark.parametrize(
    "option",
    [
        *("fd_threshold", "std_dvars_threshold", "low_pass", "high_pass", "smoothing_fwhm"),
        *("repetition_time", "mem_gb", "min_minutes", "min_coverage", "max_mean_fd", "nprocs"),
        *("omp_nthreads", "dummy_scans", "background_label", "exact_volumes", "random_seed"),
    ],
)
def test_a_huge_number_of_a_settings_file_is_refused_by_option(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"{option} = {HUGE}\n")
    arguments = [str(tmp_path), str(tmp_path / "out"), "participant", "--atlas", "x.nii"]
    assert main([*arguments, "--config-file", str(config)]) == 64
    message = capsys.readouterr().err
    assert f"--{option.replace('_', '-')}" in message
    assert "internal error" not in message
