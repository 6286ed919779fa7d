"""Presets, strategy files of users, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_labelx.denoise import (
    Strategy,
    describe_presets,
    preset_names,
    read_strategies,
    strategies,
)
from bids_labelx.errors import BadDataError, MissingInputError, UsageError

Write = Callable[..., Path]

OF_NILEARN = [
    *(
        "none",
        "simple",
        "simple+gsr",
        "scrubbing",
        "scrubbing.2",
        "scrubbing.2+gsr",
        "scrubbing.5",
    ),
    *("scrubbing.5+gsr", "acompcor50", "icaaroma"),
]
OF_XCP_D = [
    *("24P", "27P", "36P", "36P+scrubbing", "acompcor", "acompcor_gsr", "aroma", "aroma_gsr"),
    "gsr_only",
]
# The last takes what XCP-D has denoised as it is.
PRESETS = sorted([*OF_NILEARN, *OF_XCP_D, "denoised"])

EVERYTHING = """\
name = "all of it"
description = "every key there is"

[confounds]
high_pass = true
motion = "derivatives"
wm_csf = "power2"
global_signal = "basic"
ica_aroma = "basic"
columns = ["rmsd", "^motion_outlier\\\\d+$"]

[confounds.compcor]
masks = ["WM", "temporal"]
components = 3

[volumes]
non_steady_state = 4

[volumes.scrub]
fd_threshold = 0.3
std_dvars_threshold = 2
min_segment = 0
motion_filter = { type = "notch", band_stop_min = 12, band_stop_max = 18.5 }

[clean]
filter = "butterworth"
low_pass = 0.1
high_pass = 0.01
detrend = true
standardize = "zscore_sample"
butterworth = { order = 2 }
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "mine.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


def test_the_presets_of_nilearn_and_xcp_d_come_with_the_app() -> None:
    assert preset_names() == PRESETS


def test_a_file_in_the_folder_of_presets_is_a_preset(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        'description = "six"\nsource = "Friston 1996"\nconfounds = { motion = "basic" }', "6P.toml"
    )
    monkeypatch.setattr(strategies, "_PRESETS", tmp_path)
    assert preset_names() == ["6P"]
    assert read_strategies(["6P"]) == [
        Strategy("6P", "six", {"motion": "basic"}, {}, source="Friston 1996")
    ]
    assert describe_presets() == "6P  six [Friston 1996]"
    with pytest.raises(UsageError, match="--denoise simple: choose from 6P, or give"):
        read_strategies(["simple"])


def test_every_preset_is_read_in_the_order_it_was_asked_for() -> None:
    names = list(reversed(PRESETS))
    assert [strategy.name for strategy in read_strategies(names)] == names


def test_the_presets_are_listed_with_what_they_do() -> None:
    lines = describe_presets().splitlines()
    assert [line.split()[0] for line in lines] == PRESETS
    starts = {len(line) - len(line.split(maxsplit=1)[1]) for line in lines}
    assert len(starts) == 1
    assert "24 motion parameters" in describe_presets()
    assert all(
        re.search(r" \[(bids_labelx|(XCP-D|nilearn|giga_connectome) \d.*)\]$", one)
        for one in lines
    )


@pytest.mark.parametrize("name", OF_XCP_D)
def test_presets_of_xcp_d_detrend_and_filter(name: str) -> None:
    (strategy,) = read_strategies([name])
    assert strategy.clean == {
        "detrend": True,
        "filter": "butterworth",
        "low_pass": 0.08,
        "high_pass": 0.01,
        "butterworth": {"order": 2, "padtype": "constant", "padlen": "run"},
        "interpolation": "spline",
        "censored_ends": "hold",
        "standardize_confounds": False,
    }


@pytest.mark.parametrize("name", OF_NILEARN)
def test_presets_of_nilearn_leave_the_high_pass_to_their_cosines(name: str) -> None:
    (strategy,) = read_strategies([name])
    assert strategy.clean == {}


def test_unknown_strategies_are_all_named_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"foo; bar: choose from 24P, .*simple.*FILE\.toml"):
        read_strategies(["foo", "simple", "bar"])
    with pytest.raises(UsageError, match=r"--denoise 36p, did you mean 36P: choose from 24P"):
        read_strategies(["36p"])
    with pytest.raises(UsageError, match=r", did you mean simple 36P \(with blanks between them"):
        read_strategies(["simple,36P"])
    with pytest.raises(UsageError, match=r"mine\.tml \(no preset, and a strategy file's"):
        read_strategies(["mine.tml"])


def test_the_label_of_none_is_raw_and_of_others_camel_case() -> None:
    none, scrubbing = read_strategies(["none", "scrubbing.2+gsr"])
    assert (none.label, scrubbing.label) == ("raw", "scrubbing2Gsr")


def test_a_file_of_ones_own_may_say_everything(write: Write) -> None:
    (strategy,) = read_strategies([write(EVERYTHING)])
    assert (strategy.name, strategy.label) == ("all of it", "allOfIt")
    assert strategy.confounds["columns"] == ["rmsd", r"^motion_outlier\d+$"]
    assert strategy.volumes["scrub"]["motion_filter"]["band_stop_max"] == 18.5
    assert strategy.clean["standardize"] == "zscore_sample"


def test_json_says_the_same(write: Write) -> None:
    content = {"confounds": {"motion": "basic"}, "clean": {"detrend": True}}
    (strategy,) = read_strategies([str(write(json.dumps(content), "my-own.JSON"))])
    told = "regressors: motion basic; clean: detrend true"
    assert strategy == Strategy("my-own", told, {"motion": "basic"}, {}, {"detrend": True})


def test_a_strategy_that_does_not_say_what_it_does_is_described(write: Write) -> None:
    text = """
    [confounds]
    compcor = { masks = ["WM", "CSF"], components = 5 }
    columns = ["rmsd", { pattern = "^a\\\\d$" }]
    [[confounds.tables]]
    dataset = "tedana"
    tedana = "rejected_orthogonalized"
    [[confounds.tables]]
    dataset = "aroma"
    desc = "aroma"
    suffix = "timeseries"
    columns = ["b"]
    [volumes]
    non_steady_state = 4
    """
    (strategy,) = read_strategies([write(text)])
    assert strategy.description == (
        "regressors: compcor masks WM, CSF components 5; columns rmsd, ^a\\d$; components that "
        "tedana rejected and orthogonalized of the dataset tedana; columns b of "
        "desc-aroma_timeseries of the dataset aroma; volumes: non_steady_state 4"
    )


def test_what_is_switched_off_is_not_there(write: Write) -> None:
    text = """
    confounds.high_pass = false
    volumes.non_steady_state = false
    clean = { filter = "none", standardize = "none", detrend = false }
    """
    (strategy,) = read_strategies([write(text)])
    assert strategy.confounds == {}
    assert strategy.clean == {"detrend": False}
    assert not strategy.needs_table


def changed(old: str, new: str) -> str:
    assert EVERYTHING.count(old) == 1
    return EVERYTHING.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'motion = "d',
            'motoin = "d',
            "line 6: confounds.motoin is unknown, did you mean motion; all",
        ),
        ("derivatives", "ful", 'line 6: confounds.motion is "ful"; allowed: basic, power2, deri'),
        ("high_pass = true", "high_pass = 1", "line 5: confounds.high_pass is 1; allowed: true, "),
        ("[volumes]", "[volume]", "line 16: volume is unknown, did you mean volumes; allowed he"),
        ('"temporal"]', '"GM"]', 'line 13: confounds.compcor.masks is ["WM", "GM"]; allowed: a '),
        ("= 3", "= 0", "line 14: confounds.compcor.components is 0; allowed: a whole number, 1"),
        ("state = 4", "state = -1", "line 17: volumes.non_steady_state is -1; allowed: true, "),
        ("= 0.3", '= "0.3"', 'line 20: volumes.scrub.fd_threshold is "0.3"; allowed: a number '),
        ("min_segment = 0", "min_segment = 1.5", "line 22: volumes.scrub.min_segment is 1.5;"),
        ('"notch"', '"nocth"', 'line 23: volumes.scrub.motion_filter.type is "nocth"; allowed: n'),
        ("= 18.5", "= 9", "line 23: volumes.scrub.motion_filter has band_stop_min 12 not below"),
        ('"rmsd"', '"(rmsd"', "line 10: confounds.columns is "),
        ('"rmsd"', '{ name = "a", pattern = "b" }', "line 10: confounds.columns is "),
        ('"rmsd"', "{ required = true }", "line 10: confounds.columns is "),
        ('"rmsd"', '{ name = "a", required = 1 }', "line 10: confounds.columns is "),
        ('"rmsd"', '{ pattern = "(a" }', "line 10: confounds.columns is "),
        (
            "order = 2",
            "orders = 2",
            "line 31: clean.butterworth.orders is unknown, did you mean order",
        ),
        # Hours, or no number of float's, where it would be asked for.
        ("order = 2", "order = 2000000000", "line 31: clean.butterworth.order is 2000000000; all"),
        ("{ order = 2 }", "2", "line 31: clean.butterworth is 2; allowed: a table of order"),
        ("= 0.1\n", "= 0.001\n", "line 25: clean: high_pass 0.01 is not below low_pass 0.001"),
        ('"butterworth"', '"cosine"', "line 25: clean: filter cosine removes slow drifts only"),
        ("components = 3", "components = 3\nvariance = 0.5", "line 12: confounds.compcor takes"),
        ('masks = ["WM", "temporal"]', "", "line 12: confounds.compcor needs masks: combined, "),
    ],
)
def test_what_a_file_may_not_say_is_named_with_line_and_what_is_allowed(
    write: Write, old: str, new: str, message: str
) -> None:
    path = write(changed(old, new))
    with pytest.raises(BadDataError) as caught:
        read_strategies([path])
    assert f"{path}, {message}" in str(caught.value)


@pytest.mark.parametrize("pattern", ["(" * 5000 + ")" * 5000, "a{99999999999999999999}", "(a"])
def test_a_pattern_that_cannot_be_compiled_is_refused(write: Write, pattern: str) -> None:
    with pytest.raises(
        BadDataError, match=r"line 2: confounds\.columns is .*; allowed: a list of"
    ):
        read_strategies([write(f'[confounds]\ncolumns = ["{pattern}"]', "mine.toml")])


def test_all_wrong_places_are_named_at_once(write: Write) -> None:
    path = write('[confounds]\nmotion = "x"\nwm_csf = 3\n[clean]\nfilter = true\n')
    with pytest.raises(BadDataError) as caught:
        read_strategies([path])
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}, line {i}" for i in (2, 3, 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volumes.scrub = { min_segment = 3 }", "line 1: volumes.scrub needs fd_threshold"),
        (
            'volumes.scrub = { std_dvars_threshold = 3, motion_filter = { type = "lp" } }',
            "line 1: volumes.scrub.motion_filter is of no use without fd_threshold",
        ),
        (
            "[volumes.scrub]\nfd_threshold = 1\nmotion_filter = { band_stop_min = 3 }",
            "line 3: volumes.scrub.motion_filter needs type: notch, lp",
        ),
        (
            '[volumes.scrub]\nfd_threshold = 1\nmotion_filter = { type = "lp" }',
            "line 3: volumes.scrub.motion_filter needs band_stop_min",
        ),
        (
            '[volumes.scrub]\nfd_threshold = 1\n\n[volumes.scrub.motion_filter]\ntype = "notch"\n'
            "band_stop_min = 3",
            "line 4: volumes.scrub.motion_filter of type notch needs band_stop_max",
        ),
        (
            '[volumes.scrub]\nfd_threshold = 1\n\n[volumes.scrub.motion_filter]\ntype = "lp"\n'
            "band_stop_min = 3\nband_stop_max = 4",
            "line 4: volumes.scrub.motion_filter of type lp takes band_stop_min only",
        ),
        ("[clean]\nlow_pass = 0.1", "line 1: clean: low_pass without a filter; allowed filter: b"),
        ('[clean]\nfilter = "butterworth"', "line 1: clean: filter butterworth needs low_pass"),
        ('[clean]\nfilter = "cosine"', "line 1: clean: filter cosine needs high_pass"),
        ("[clean]\nbutterworth.order = 1", "line 1: clean: butterworth with filter none; allo"),
        ("a = \n", "is no TOML ("),
    ],
)
def test_what_does_not_go_together_is_named_with_its_line(
    write: Write, text: str, message: str
) -> None:
    with pytest.raises(BadDataError) as caught:
        read_strategies([write(text)])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n "confounds": {\n  "motion": "x"\n }\n}', 'line 3: confounds.motion is "x"; allowed'),
        ('{"volumes": null}', "line 1: volumes is null; allowed: a table of non_steady_state, sc"),
        ('{\n "clean": {}\n', "line 3: is no JSON"),
        ("[]", "line 1: is []; allowed is an object with the keys name"),
    ],
)
def test_wrong_json_is_named_with_its_line(write: Write, text: str, message: str) -> None:
    path = write(text, "mine.json")
    with pytest.raises(BadDataError) as caught:
        read_strategies([path])
    assert f"{path}, {message}" in str(caught.value)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.toml cannot be read"):
        read_strategies([tmp_path / "none.toml"])


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match="not a text file in UTF-8"):
        read_strategies([tmp_path / "x.toml"])


@pytest.mark.parametrize("name", ["none.toml", "raw.toml", "+.toml"])
def test_a_file_may_not_be_called_as_if_it_did_nothing(write: Write, name: str) -> None:
    with pytest.raises(BadDataError, match="allowed is a name with letters or digits"):
        read_strategies([write("", name)])


@pytest.mark.parametrize("other", ["scrubbing.5", "scrubbing5.json", "Scrubbing_5.json"])
def test_strategies_whose_outputs_would_have_the_same_name_are_refused(
    write: Write, other: str
) -> None:
    mine = write("", "scrubbing-5.toml")
    second = str(write("{}", other)) if other.endswith(".json") else other
    with pytest.raises(UsageError, match=r"outputs of both would be called desc-[sS]crubbing5"):
        read_strategies([str(mine), second])


def test_the_same_preset_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="desc-simple"):
        read_strategies(["simple", "none", "simple"])


def test_a_butterworth_filter_has_the_defaults_of_strategies_and_what_a_file_says(
    write: Write,
) -> None:
    path = write('[clean]\nfilter = "butterworth"\nlow_pass = 0.1', "plain.toml")
    (plain,) = read_strategies([path])
    assert plain.cleaning == {
        "filter": "butterworth",
        "low_pass": 0.1,
        "interpolation": "linear",
        "extrapolate": False,
        "butterworth": {"order": 2, "padtype": "constant", "padlen": "run"},
    }
    options = 'interpolation = "spline"\ncensored_ends = "hold"\nstandardize_confounds = false'
    padding = 'butterworth = { order = 5, padtype = "none", padlen = 0 }'
    text = f'[clean]\nfilter = "butterworth"\nlow_pass = 0.1\n{options}\n{padding}'
    (mine,) = read_strategies([write(text, "mine.toml")])
    assert mine.cleaning == {
        "filter": "butterworth",
        "low_pass": 0.1,
        "interpolation": "spline",
        "extrapolate": "hold",
        "standardize_confounds": False,
        "butterworth": {"order": 5, "padtype": None, "padlen": 0},
    }
    (cosine,) = read_strategies([write('[clean]\nfilter = "cosine"\nhigh_pass = 0.01', "c.toml")])
    assert cosine.cleaning == {"filter": "cosine", "high_pass": 0.01, "interpolation": "linear"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[clean]\ncensored_ends = "hold"', "censored_ends with filter none"),
        ('[clean]\nbutterworth.padlen = "all"', "a number of volumes, or run"),
        ('[clean]\nbutterworth.padtype = "zero"', "allowed: odd, even, constant, none"),
        ('[confounds]\nfirst_row = "mean"', "allowed: next, zero"),
        ("[confounds.motion_filter]\ntype = 'lp'\nband_stop_min = 12", "of no use without motion"),
        ("[confounds]\nmotion = 'full'\nmotion_filter.type = 'lp'", "needs band_stop_min"),
    ],
)
def test_what_cleaning_cannot_do_is_refused(write: Write, text: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        read_strategies([write(text, "wrong.toml")])
