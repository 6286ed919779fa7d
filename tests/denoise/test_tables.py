"""Columns out of several tables of a run: what is joined, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bids_labelx.denoise import (
    Denoising,
    Strategy,
    check_image,
    join_tables,
    read_strategies,
    select,
    table_queries,
)
from bids_labelx.denoise import with_datasets as of_datasets
from bids_labelx.denoise.schema import parse_strategy
from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.names import TableQuery

N = 30
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]

Choose = Callable[..., Denoising]


def strategy_of(text: str, **more: Any) -> Strategy:
    content = parse_strategy(text, "mine.toml")
    given = {"clean": {}, "volumes": content.get("volumes", {}), **more}
    images = tuple(content.get("images", ()))
    return Strategy("mine", "", content.get("confounds", {}), images=images, **given)


def series(n_rows: int, columns: list[str], seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.standard_normal((n_rows, len(columns))), columns=columns)


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """What a strategy takes from a confounds table and from tables that are written for it."""

    def do(
        text: str,
        tables: dict[str, pd.DataFrame | str],
        confounds: pd.DataFrame | None = None,
        n_volumes: int = N,
        **options: Any,
    ) -> Denoising:
        strategy = strategy_of(text)
        paths = {}
        for query, (name, table) in zip(table_queries([strategy]), tables.items(), strict=True):
            paths[query] = tmp_path / name
            content = (
                table
                if isinstance(table, str)
                else table.to_csv(sep="\t", index=False, na_rep="n/a")
            )
            paths[query].write_text(content)
        check_image(strategy, options.get("image_desc", "preproc"), options.get("producer", ""))
        joined = join_tables(
            strategy, confounds, n_volumes, source="confounds.tsv", tables=paths, missing={}
        )
        return select(
            strategy, confounds, n_volumes, source="confounds.tsv", joined=joined, **options
        )

    return do


ONE = """
[[confounds.tables]]
dataset = "aroma"
desc = "aroma"
suffix = "timeseries"
columns = ["^aroma_motion_\\\\d+$"]
"""


def test_only_the_columns_named_are_taken_and_regressed_out(choose: Choose) -> None:
    table = series(N, ["aroma_motion_01", "aroma_orth_motion_01", "csf", "aroma_motion_10"])
    confounds = series(N, ["csf"], seed=1)
    chosen = choose(
        f'[confounds]\nwm_csf = "basic"\n{ONE}',
        {"a.tsv": table},
        confounds.assign(white_matter=1.0),
    )
    assert chosen.columns == ("csf", "white_matter", "aroma_motion_01", "aroma_motion_10")
    np.testing.assert_allclose(chosen.regressors[:, 0], confounds["csf"])
    np.testing.assert_allclose(
        chosen.regressors[:, 2:], table[["aroma_motion_01", "aroma_motion_10"]]
    )
    assert chosen.by_entry == {
        "^aroma_motion_\\d+$ (aroma, a.tsv)": ["aroma_motion_01", "aroma_motion_10"]
    }


def test_a_table_of_other_rows_is_refused_with_both_numbers(choose: Choose) -> None:
    with pytest.raises(BadDataError, match=r"a\.tsv.*28 rows.*30 volumes.*first_volume"):
        choose(ONE, {"a.tsv": series(28, ["aroma_motion_01"])})
    with pytest.raises(BadDataError, match=r"a\.tsv.*28 rows, starting at volume 4,.*30 volumes"):
        choose(f"{ONE}first_volume = 4", {"a.tsv": series(28, ["aroma_motion_01"])})


def test_a_table_that_starts_later_makes_the_volumes_before_it_dummies(choose: Choose) -> None:
    table = series(N - 4, ["trans_x_derivative1"])
    # A difference has no value in the first row of its own table.
    table.loc[0] = np.nan
    text = ONE.replace('"^aroma_motion_\\\\d+$"', '"trans_x_derivative1"') + "first_volume = 4"
    chosen = choose(text, {"a.tsv": table}, series(N, ["framewise_displacement"]).abs())
    assert chosen.n_dummies == 4
    assert chosen.kept.tolist() == [False] * 4 + [True] * (N - 4)
    values = table["trans_x_derivative1"]
    np.testing.assert_allclose(chosen.regressors[:, 0], [0.0] * 4 + [values[1], *values[1:]])
    assert chosen.framewise_displacement is not None
    assert np.isfinite(chosen.framewise_displacement).all()


def test_a_value_that_is_missing_is_named_with_its_own_file_and_row(choose: Choose) -> None:
    table = series(N - 4, ["aroma_motion_01"])
    table.loc[7, "aroma_motion_01"] = np.nan
    with pytest.raises(
        BadDataError, match=r"a\.tsv: column aroma_motion_01, row 8 \(of 26\) is n/a"
    ):
        choose(f"{ONE}first_volume = 4", {"a.tsv": table})


def test_a_column_of_two_tables_is_refused_with_both(choose: Choose) -> None:
    table = series(N, ["aroma_motion_01"])
    with pytest.raises(
        BadDataError, match=r"a\.tsv.*aroma_motion_01 is in confounds\.tsv as well"
    ):
        choose(ONE, {"a.tsv": table}, table)
    both = ONE + ONE.replace('"aroma"\nsuffix', '"other"\nsuffix')
    with pytest.raises(BadDataError, match=r"b\.tsv.*aroma_motion_01 is in .*a\.tsv as well"):
        choose(both, {"a.tsv": table, "b.tsv": table})


def test_confounds_may_be_split_over_several_files(choose: Choose, tmp_path: Path) -> None:
    text = """
    [confounds]
    motion = "basic"
    compcor = { masks = ["CSF"], components = 2 }
    [[confounds.tables]]
    desc = "motion"
    suffix = "timeseries"
    [[confounds.tables]]
    desc = "compcor"
    suffix = "timeseries"
    """
    names = ["c_comp_cor_00", "c_comp_cor_01", "c_comp_cor_02"]
    about = {"Method": "aCompCor", "Mask": "CSF", "Retained": True}
    (tmp_path / "c.json").write_text(json.dumps(dict.fromkeys(names, about)))
    motion, components = series(N, MOTION), series(N, names, seed=1)
    chosen = choose(text, {"m.tsv": motion, "c.tsv": components})
    assert chosen.columns == (*MOTION, *names[:2])
    np.testing.assert_allclose(chosen.regressors, np.hstack([motion, components[names[:2]]]))
    # Displacement is computed out of the motion parameters, wherever these are.
    assert chosen.fd_source == "computed"


def test_what_a_group_lacks_is_told_where_there_is_no_confounds_table(choose: Choose) -> None:
    text = f'[confounds]\nwm_csf = "basic"\n{ONE}'
    with pytest.raises(BadDataError, match="missing: csf, white_matter"):
        choose(text, {"a.tsv": series(N, ["aroma_motion_01"])})
    required = ONE.replace('"^aroma', '{ pattern = "^aroma').replace('$"', '$", required = true }')
    with pytest.raises(BadDataError, match=r"any that matches .* \(in .*a\.tsv\)"):
        choose(required, {"a.tsv": series(N, ["other"])})


def test_a_confounds_table_of_other_rows_is_of_no_use_beside_another(choose: Choose) -> None:
    table = {"a.tsv": series(N, ["aroma_motion_01"])}
    assert choose(ONE, table, series(N - 1, ["csf"])).columns == ("aroma_motion_01",)
    text = f'[confounds]\nglobal_signal = "basic"\n{ONE}'
    with pytest.raises(BadDataError, match=r"confounds\.tsv.*29 rows.*30 volumes"):
        choose(text, table, series(N - 1, ["global_signal"]))


def test_a_table_that_is_missing_says_why() -> None:
    strategy = strategy_of(ONE)
    (query,) = table_queries([strategy])
    assert query == TableQuery("aroma", "timeseries", "aroma")
    with pytest.raises(MissingInputError, match="--denoise mine: two candidates"):
        join_tables(strategy, None, N, source="", tables={}, missing={query: "two candidates"})


def test_a_dataset_that_is_not_given_is_asked_for_unless_it_need_not_be_there() -> None:
    strategy = strategy_of(ONE)
    assert of_datasets([strategy], ["preprocessed", "aroma"]) == [strategy]
    with pytest.raises(UsageError, match="--datasets aroma=DIR"):
        of_datasets([strategy], ["preprocessed"])
    free = strategy_of(f'[confounds]\ncolumns = ["csf"]\n{ONE}required = false')
    (changed,) = of_datasets([free], ["preprocessed"])
    pattern = {"pattern": "^aroma_motion_\\d+$", "required": False, "dataset": "aroma"}
    assert changed.confounds == {"columns": ["csf", pattern]}
    (aroma,) = of_datasets(read_strategies(["aroma"]), ["preprocessed"])
    with pytest.raises(
        BadDataError, match=r"any that matches .* \(of the dataset aroma: --datasets"
    ):
        select(aroma, series(N, ["csf", "white_matter"]), N, source="x.tsv")


CENSORED = """
images = ["denoised"]
[[confounds.tables]]
suffix = "outliers"
censored = "framewise_displacement"
[[confounds.tables]]
suffix = "motion"
"""


def xcp_d_tables() -> tuple[dict[str, pd.DataFrame | str], np.ndarray]:
    marked = np.arange(N) % 7 == 3
    outliers = pd.DataFrame({"framewise_displacement": marked.astype(int)})
    motion = series(N, MOTION).assign(framewise_displacement=np.where(marked, 0.9, 0.1))
    return {"outliers.tsv": outliers, "motion.tsv": motion}, marked


def test_volumes_that_a_table_marks_are_censored(choose: Choose) -> None:
    tables, marked = xcp_d_tables()
    chosen = choose(CENSORED, tables, image_desc="denoised", producer="xcp_d 26.1.1")
    np.testing.assert_array_equal(chosen.kept, ~marked)
    np.testing.assert_array_equal(chosen.rules["marked"], marked)
    assert chosen.framewise_displacement is not None
    np.testing.assert_allclose(chosen.framewise_displacement, np.where(marked, 0.9, 0.1))


def test_an_image_without_the_marked_volumes_gets_the_rows_of_the_others(choose: Choose) -> None:
    tables, marked = xcp_d_tables()
    chosen = choose(
        CENSORED, tables, n_volumes=int((~marked).sum()), image_desc="denoised", producer="xcp_d"
    )
    assert chosen.kept.all()
    assert chosen.framewise_displacement is not None
    np.testing.assert_allclose(chosen.framewise_displacement, 0.1)


def test_an_image_of_yet_another_length_is_refused(choose: Choose) -> None:
    tables, marked = xcp_d_tables()
    with pytest.raises(BadDataError, match=rf"30 rows, {(~marked).sum()} of which.*29 volumes"):
        choose(CENSORED, tables, n_volumes=29, image_desc="denoised")
    tables["outliers.tsv"] = pd.DataFrame({"framewise_displacement": [0.2] * N})
    with pytest.raises(BadDataError, match=r"row 1 is 0\.2; 1 for a censored volume and 0"):
        choose(CENSORED, tables, image_desc="denoised")


@pytest.mark.parametrize(
    ("text", "desc", "producer", "words"),
    [
        ('[confounds]\nglobal_signal = "basic"', "denoised", "xcp_d 26.1.1", "xcp_d 26.1.1"),
        ('[confounds]\nglobal_signal = "basic"', "denoised", "", "confound regression"),
        ("[confounds]\ncolumns = ['aroma_motion_01']", "nonaggrDenoised", "", "ICA-AROMA"),
        ('[[confounds.tables]]\ntedana = "rejected"', "denoised", "tedana 26.0.3", "tedana has"),
        (
            "images = ['nonaggrDenoised']\n[confounds]\ncolumns = ['aroma_motion_01']",
            "nonaggrDenoised",
            "",
            "regress out aroma_motion_01 again",
        ),
        (CENSORED, "preproc", "fMRIPrep", "is for images with desc- denoised"),
    ],
)
def test_an_image_is_not_denoised_twice(
    choose: Choose, text: str, desc: str, producer: str, words: str
) -> None:
    confounds = series(N, ["global_signal", "aroma_motion_01"])
    tables: dict[str, pd.DataFrame | str] = {}
    if "tedana" in text:
        metrics = pd.DataFrame({"Component": ["ICA_0"], "classification": ["rejected"]})
        tables = {"mix.tsv": series(N, ["ICA_0"]), "metrics.tsv": metrics}
    elif "censored" in text:
        tables, _ = xcp_d_tables()
        confounds = None  # type: ignore[assignment]
    with pytest.raises(BadDataError, match=words):
        choose(text, tables, confounds, image_desc=desc, producer=producer)


def test_what_ica_aroma_left_may_be_regressed_further(choose: Choose) -> None:
    confounds = series(N, ["global_signal"])
    text = '[confounds]\nglobal_signal = "basic"'
    for desc, producer in (("nonaggrDenoised", ""), ("denoised", "tedana 26.0.3")):
        chosen = choose(text, {}, confounds, image_desc=desc, producer=producer)
        assert chosen.columns == ("global_signal",)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('desc = "aroma"', "needs suffix"),
        ('suffix = "a_b"', "letters, digits and hyphens"),
        ('suffix = "mcf"\nextension = ".par"', "motion_source: fsl, spm, afni"),
        ('suffix = "x"\nfirst_volume = -1', "a whole number, 0 or more"),
        ('suffix = "x"\nrequired = false', "needs dataset"),
        ('suffix = "x"\ndataset = "../x"', "a name of --datasets"),
        ('suffix = "x"\ndataset = "atlas-x"', "a name of --datasets"),
        ('suffix = "x"\ntedana = "all"', "rejected, rejected_orthogonalized"),
        ('suffix = "x"\ncensored = "a"\ncolumns = ["b"]', "takes no columns"),
        ('suffix = "x"\nspace = "MNI"', "space is unknown; allowed here: dataset, suffix"),
    ],
)
def test_an_entry_that_says_what_cannot_be_is_refused_with_its_line(
    entry: str, words: str
) -> None:
    with pytest.raises(BadDataError, match=rf"mine\.toml, line \d+: confounds\.tables.*{words}"):
        parse_strategy(f"[[confounds.tables]]\n{entry}\n", "mine.toml")
    with pytest.raises(
        BadDataError, match=r"tables is .*; allowed: tables \[\[confounds.tables\]\]"
    ):
        parse_strategy('[confounds]\ntables = ["a"]\n', "mine.toml")


LATE = """
[[confounds.tables]]
desc = "late"
suffix = "timeseries"
first_volume = 4
"""


@pytest.mark.parametrize("columns", ["", "columns = ['^nothing\\\\d+$']"])
def test_volumes_before_any_table_starts_are_dummies_whatever_is_taken_of_it(
    choose: Choose, columns: str
) -> None:
    late = series(N - 4, ["framewise_displacement"]).abs()
    scrub = "[volumes.scrub]\nfd_threshold = 9\n" if not columns else ""
    chosen = choose(
        f"{LATE}{columns}\n{scrub}{ONE}",
        {"late.tsv": late, "a.tsv": series(N, ["aroma_motion_01"])},
    )
    assert chosen.kept.tolist() == [False] * 4 + [True] * (N - 4)
    assert chosen.n_dummies == 4


def test_the_latest_start_counts_where_tables_have_several(choose: Choose) -> None:
    other = LATE.replace('"late"', '"later"').replace("4", "7")
    tables: dict[str, pd.DataFrame | str] = {
        "a.tsv": series(N - 4, ["aroma_motion_01"]),
        "b.tsv": series(N - 7, ["aroma_motion_02"], seed=1),
    }
    chosen = choose(f'[confounds]\nica_aroma = "basic"\n{LATE}{other}', tables)
    assert chosen.n_dummies == 7
    for column, table, start in (("01", tables["a.tsv"], 4), ("02", tables["b.tsv"], 7)):
        values = chosen.regressors[:, chosen.columns.index(f"aroma_motion_{column}")]
        assert isinstance(table, pd.DataFrame)
        np.testing.assert_allclose(values[start:], table[f"aroma_motion_{column}"])


def test_a_table_of_neither_length_gives_no_rows_to_an_image_without_the_marked_volumes(
    choose: Choose,
) -> None:
    tables, marked = xcp_d_tables()
    n_kept = int((~marked).sum())
    options = {"n_volumes": n_kept, "image_desc": "denoised", "producer": "xcp_d"}
    motion = tables["motion.tsv"]
    assert isinstance(motion, pd.DataFrame)
    # With the row of the last volume kept, which is not that of the last volume.
    tables["motion.tsv"] = motion.iloc[: N - 1]
    with pytest.raises(
        BadDataError, match=rf"motion\.tsv.* {N - 1} rows do not fit.* {n_kept} vol"
    ):
        choose(CENSORED, tables, **options)
    tables["motion.tsv"] = motion
    needs = CENSORED.replace("[[", '[confounds]\nglobal_signal = "basic"\n[[', 1)
    with pytest.raises(BadDataError, match=rf"confounds\.tsv.*{N - 1} rows.* {n_kept} volumes"):
        choose(needs, tables, series(N - 1, ["global_signal"]), **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[clean]\nfilter = "butterworth"\nhigh_pass = 0.01', r"clean\.filter would"),
        ("[clean]\ndetrend = true", r"clean\.detrend would"),
        (
            "[volumes.scrub]\nfd_threshold = 1\nmotion_filter={ type = 'lp', band_stop_min = 6 }",
            r"volumes\.scrub\.motion_filter would",
        ),
    ],
)
def test_what_needs_equal_spacing_is_refused_of_an_image_that_lacks_volumes(
    text: str, words: str, tmp_path: Path
) -> None:
    tables, marked = xcp_d_tables()
    content = parse_strategy(CENSORED + text, "mine.toml")
    strategy = strategy_of(CENSORED + text, clean=content.get("clean", {}))
    paths = {}
    for query, (name, table) in zip(table_queries([strategy]), tables.items(), strict=True):
        paths[query] = tmp_path / name
        table.to_csv(paths[query], sep="\t", index=False)  # type: ignore[union-attr]

    def join(n_volumes: int) -> None:
        join_tables(strategy, None, n_volumes, source="none", tables=paths, missing={})

    n_kept = int((~marked).sum())
    lacks = rf"outliers\.tsv.*lacks {N - n_kept} censored volumes of {N}.*{words}"
    with pytest.raises(BadDataError, match=lacks):
        join(n_kept)
    join(N)


def test_displacement_is_not_computed_over_the_gaps_of_an_image(choose: Choose) -> None:
    tables, marked = xcp_d_tables()
    motion = tables["motion.tsv"]
    assert isinstance(motion, pd.DataFrame)
    tables["motion.tsv"] = motion[MOTION]
    options = {"n_volumes": int((~marked).sum()), "image_desc": "denoised", "producer": "xcp_d"}
    assert choose(CENSORED, tables, **options).framewise_displacement is None
    with pytest.raises(BadDataError, match=r"framewise_displacement .between volumes that"):
        choose(f"{CENSORED}[volumes.scrub]\nfd_threshold = 0.5", tables, **options)
    # With all volumes, the difference of neighbours by hand.
    fd = choose(CENSORED, tables, image_desc="denoised").framewise_displacement
    moved = motion[MOTION].diff().abs() * [1, 1, 1, 50, 50, 50]
    assert fd is not None
    np.testing.assert_allclose(fd[1:], moved.sum(axis=1)[1:])


def test_of_the_columns_of_a_table_its_own_json_counts(choose: Choose, tmp_path: Path) -> None:
    names = ["c_comp_cor_00", "c_comp_cor_01"]
    about = {"Method": "aCompCor", "Mask": "CSF", "Retained": True}
    dropped = {**about, "Retained": False}
    # Beside the other table is a JSON of all components, as fMRIPrep writes it, of another run.
    (tmp_path / "a.json").write_text(json.dumps(dict.fromkeys(names, dropped)))
    chosen = choose(
        f'[confounds]\ncompcor = {{ masks = ["CSF"], components = 2 }}\n{ONE}',
        {"a.tsv": series(N, ["aroma_motion_01"])},
        series(N, names, seed=1),
        metadata=dict.fromkeys(names, about),
    )
    assert chosen.columns == (*names, "aroma_motion_01")


def test_a_table_that_is_taken_twice_is_one_file(tmp_path: Path) -> None:
    text = ONE.replace("^aroma", "^a") + ONE.replace("^aroma", "^b")
    text = text.replace("^a_motion_\\\\d+$", "one").replace("^b_motion_\\\\d+$", "two")
    strategy = strategy_of(text)
    path = tmp_path / "a.tsv"
    series(N, ["one", "two", "three"]).to_csv(path, sep="\t", index=False)
    (query,) = table_queries([strategy])
    joined = join_tables(strategy, None, N, source="none", tables={query: path}, missing={})
    assert joined.files == (path,)
    assert joined.wanted.columns == ["one", "two"]


def test_the_confounds_table_itself_is_no_other_table(tmp_path: Path) -> None:
    strategy = strategy_of(
        ONE.replace('dataset = "aroma"\n', "").replace('"aroma"', '"confounds"')
    )
    path = tmp_path / "confounds.tsv"
    table = series(N, ["aroma_motion_01"])
    table.to_csv(path, sep="\t", index=False)
    (query,) = table_queries([strategy])
    with pytest.raises(
        BadDataError, match=r"given twice; of the run's confounds table, confounds\."
    ):
        join_tables(strategy, table, N, source=str(path), tables={query: path}, missing={})


@pytest.mark.parametrize("use", ['tedana = "rejected"', 'suffix = "x"\ncensored = "a"'])
def test_what_nothing_stands_in_for_is_required(use: str) -> None:
    entry = f'[[confounds.tables]]\ndataset = "d"\n{use}\n'
    parse_strategy(entry, "mine.toml")
    with pytest.raises(BadDataError, match="cannot have required = false"):
        parse_strategy(f"{entry}required = false", "mine.toml")


def test_one_table_marks_the_volumes_to_censor() -> None:
    entry = '[[confounds.tables]]\nsuffix = "outliers"\ncensored = "a"\n'
    with pytest.raises(BadDataError, match=r"line \d+: confounds.tables has censored twice"):
        parse_strategy(entry + entry, "mine.toml")


@pytest.mark.parametrize("broken", ["{", '["a"]', "/annex/objects/MD5E-s3--x.json"])
def test_what_needs_no_json_beside_a_table_is_done_without_it(
    broken: str, choose: Choose, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(broken)
    table = {"a.tsv": series(N, ["aroma_motion_01", "c_comp_cor_00"])}
    assert choose(ONE, table).columns == ("aroma_motion_01",)
    whole = ONE.partition("columns")[0]
    components = '[confounds]\ncompcor = { masks = ["CSF"] }\n'
    with pytest.raises(BadDataError, match=r"missing: components of CompCor \(no JSON"):
        choose(components + whole, table)


def test_a_column_that_two_entries_take_is_one_regressor(choose: Choose) -> None:
    text = f'{LATE}columns = ["^(trans|rot)_.$", "^rot_.$", "rot_z"]'.replace("4", "3")
    table = series(N - 3, MOTION)
    chosen = choose(text, {"a.tsv": table})
    assert chosen.columns == tuple(MOTION)
    np.testing.assert_allclose(chosen.regressors[3:], table)
    assert not chosen.regressors[:3].any()


@pytest.mark.parametrize("line", [" " * 100_000, "[" * 100_000 + "a"])
def test_the_line_of_a_mistake_is_found_beside_very_long_ones(line: str) -> None:
    text = f'"""\n{line}\n"""\n[clean]\nfilter = "x"\n'
    with pytest.raises(BadDataError, match=r"mine\.toml, line 5: clean\.filter is \"x\""):
        parse_strategy(f"description = {text}", "mine.toml")


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ('["^[XY]$"]', ("X", "Y")),
        ('["CSF", "other"]', ("CSF", "other")),
        # fMRIPrep's old names go by today's as well.
        ('["trans_x", "csf"]', ("trans_x", "csf")),
        ('["X", "trans_y"]', ("X", "trans_y")),
    ],
)
def test_columns_are_taken_by_the_names_that_they_have_in_the_file(
    columns: str, taken: tuple[str, ...], choose: Choose
) -> None:
    table = series(N, ["X", "Y", "CSF", "other"])
    text = f'[[confounds.tables]]\nsuffix = "mine"\ncolumns = {columns}\n'
    chosen = choose(text, {"a.tsv": table})
    assert chosen.columns == taken
    written = {"trans_x": "X", "trans_y": "Y", "csf": "CSF"}
    expected = table[[written.get(name, name) for name in taken]]
    np.testing.assert_allclose(chosen.regressors, expected)
