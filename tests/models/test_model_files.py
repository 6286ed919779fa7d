"""Files of models: which there are, what they say, and that they are the same each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_study import NAME, Study
from scipy import stats

LABELS = [f"{k:02d}" for k in range(1, 10)]
AGE = [31, 25, 47, 52, 38, 29, 44, 60, 23]
SITE = list("aaabbbccc")
ASKED = ("--model", "age", "--contrast", "age")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Nine participants of three sites."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed + 40)
    made.table({"participant_id": LABELS, "age": AGE, "site": SITE})
    return made


def contents(study: Study) -> dict[str, bytes]:
    return {name: (study.out / name).read_bytes() for name in study.models()}


def test_there_are_matrices_and_tables_each_with_its_json(study: Study) -> None:
    assert study.group(*ASKED, "--permutations", "20") == 0
    statistics = "beta", "n", "p", "pfdr", "pfwe", "t"
    ends = [f"contrast-age_stat-{one}_relmat" for one in statistics]
    tables = "components", "edges", "networks", "regions"
    ends += ["design", *(f"contrast-age_{one}" for one in tables)]
    expected = [f"{NAME}_model-A_{end}{kind}" for end in ends for kind in (".tsv", ".json")]
    assert study.models() == sorted(expected)


def test_every_column_of_a_table_is_described(study: Study) -> None:
    assert study.group(*ASKED, "--permutations", "20") == 0
    for name in study.models():
        if name.endswith(".tsv") and "_relmat" not in name:
            columns = pd.read_csv(study.out / name, sep="\t").columns
            sidecar = json.loads((study.out / name).with_suffix(".json").read_text())
            assert all(sidecar[one]["Description"] for one in columns), name
            assert "own table" not in json.dumps(sidecar), name


def test_matrices_are_symmetric_and_have_the_values_of_the_table_of_edges(study: Study) -> None:
    assert study.group(*ASKED, "--permutations", "20") == 0
    edges = study.read("model-A_contrast-age_edges")
    columns = {"t": "t", "p": "p", "pfdr": "p_fdr", "pfwe": "p_fwe", "beta": "beta", "n": "n"}
    for statistic, column in columns.items():
        path = study.out / f"{NAME}_model-A_contrast-age_stat-{statistic}_relmat.tsv"
        matrix = pd.read_csv(path, sep="\t", index_col=0)
        values = [matrix.loc[one, two] for one, two in edges[["region_1", "region_2"]].to_numpy()]
        np.testing.assert_array_equal(values, edges[column])
        np.testing.assert_array_equal(matrix, matrix.T)
        assert np.isnan(np.diag(matrix)).all()


def test_sidecars_say_what_was_done(study: Study) -> None:
    asked = "--model", "age + C(site)", "--contrast", "b=C(site)[T.c] - C(site)[T.b]"
    assert study.group(*asked, "--permutations", "30", "--seed", "4", "--nbs-threshold", "2") == 0
    path = study.out / f"{NAME}_model-A_contrast-b_stat-t_relmat.json"
    sidecar = json.loads(path.read_text())
    assert sidecar["Formula"] == "age + C(site)"
    assert sidecar["Contrast"] == "C(site)[T.c] - C(site)[T.b]"
    weights = {"Intercept": 0, "age": 0, "C(site)[T.b]": -1, "C(site)[T.c]": 1}
    assert sidecar["ContrastWeights"] == weights
    assert sidecar["NumberOfRows"] == sidecar["NumberOfParticipants"] == 9
    assert sidecar["Permutations"] == sidecar["PermutationsRequested"] == 30
    assert sidecar["PermutationKind"] == "permutations"
    assert sidecar["Exchangeability"] == "all rows"
    assert (sidecar["Seed"], sidecar["NBSThreshold"]) == (4, 2)
    assert sidecar["AveragedOver"] == ["run"]
    assert {"bids_labelx", "numpy", "formulaic"} <= set(sidecar["SoftwareVersions"])


def test_permutations_within_blocks_are_all_of_those(study: Study) -> None:
    more = "--permutation-blocks", "site", "--permutations", "216"
    assert study.group(*ASKED, *more) == 0
    z = np.array([study.z(label) for label in LABELS])
    orders = product(*(permutations(block) for block in ([0, 1, 2], [3, 4, 5], [6, 7, 8])))
    null = []
    for order in orders:
        ages = np.array(AGE)[np.concatenate(order)]
        r = np.array([stats.pearsonr(ages, own).statistic for own in z.T])
        null.append(np.abs(r * np.sqrt(7 / (1 - r**2))).max())
    edges = study.read("model-A_contrast-age_edges")
    expected = [(np.array(null) >= abs(t) - 1e-6).mean() for t in edges["t"]]
    np.testing.assert_allclose(edges["p_fwe"], expected)
    sidecar = json.loads((study.out / f"{NAME}_model-A_contrast-age_edges.json").read_text())
    assert sidecar["Permutations"] == 216
    assert sidecar["PermutationsExhaustive"]
    assert sidecar["Exchangeability"] == "rows within blocks of site"
    design = study.read("model-A_design")
    assert design["block"].tolist() == SITE


def test_whole_blocks_are_permuted(study: Study) -> None:
    more = "--permutation-blocks", "site", "--permute-blocks", "whole", "--permutations", "6"
    assert study.group(*ASKED, *more) == 0
    z = np.array([study.z(label) for label in LABELS])
    null = []
    for order in permutations([[0, 1, 2], [3, 4, 5], [6, 7, 8]]):
        ages = np.array(AGE)[np.concatenate(order)]
        r = np.array([stats.pearsonr(ages, own).statistic for own in z.T])
        null.append(np.abs(r * np.sqrt(7 / (1 - r**2))).max())
    edges = study.read("model-A_contrast-age_edges")
    expected = [(np.array(null) >= abs(t) - 1e-6).mean() for t in edges["t"]]
    np.testing.assert_allclose(edges["p_fwe"], expected)


def test_files_are_the_same_with_one_process_and_two(study: Study) -> None:
    asked = *ASKED, "--permutations", "200", "--nbs-threshold", "1"
    assert study.group(*asked, "--nprocs", "1") == 0
    first = contents(study)
    assert study.group(*asked, "--nprocs", "2") == 0
    assert contents(study) == first


def test_another_seed_draws_other_permutations(study: Study) -> None:
    asked = *ASKED, "--permutations", "50"
    assert study.group(*asked, "--seed", "1") == 0
    first = study.read("model-A_contrast-age_edges")
    assert study.group(*asked, "--seed", "2") == 0
    second = study.read("model-A_contrast-age_edges")
    assert first["p_fwe"].tolist() != second["p_fwe"].tolist()
    assert first["t"].tolist() == second["t"].tolist()


def test_files_of_an_earlier_model_are_removed(study: Study) -> None:
    assert study.group(*ASKED, "--permutations", "20") == 0
    assert study.group("--model", "B=1", "--contrast", "Intercept", "--permutations", "0") == 0
    assert study.models()
    assert all("_model-B_" in name for name in study.models())
    assert not any("pfwe" in name or "components" in name for name in study.models())
    assert study.group() == 0
    assert study.models() == []


def test_an_effect_is_found_and_its_edges_are_a_component(study: Study) -> None:
    # Correlations of one region with two others rise with age.
    for label, age in zip(LABELS, AGE, strict=True):
        (path,) = (study.out / f"sub-{label}").rglob("*_relmat.tsv")
        matrix = pd.read_csv(path, sep="\t", index_col=0)
        values = matrix.to_numpy().copy()
        for other in (1, 2):
            values[0, other] = values[other, 0] = np.tanh(age / 60) + 0.001 * values[0, other]
        table = pd.DataFrame(values, index=matrix.index, columns=matrix.columns)
        table.to_csv(path, sep="\t", float_format="%.9g")
    assert study.group(*ASKED, "--permutations", "100", "--nbs-threshold", "8") == 0
    edges = study.read("model-A_contrast-age_edges")
    assert edges["nbs_component"].notna().tolist() == [True, True, False, False, False, False]
    assert (edges["p_fwe"][:2] == 0.01).all()
    (component,) = study.read("model-A_contrast-age_components").itertuples()
    assert (component.edges, component.regions, component.edges_positive) == (2, 3, 2)


def test_tables_of_means_say_how_rows_without_some_edges_are_averaged(study: Study) -> None:
    assert study.group(*ASKED, "--permutations", "0") == 0
    for kind, said in (("regions", True), ("networks", True), ("edges", False)):
        path = study.out / f"{NAME}_model-A_contrast-age_{kind}.json"
        assert ("MeanOverEdges" in json.loads(path.read_text())) == said


def test_regions_without_a_network_have_n_a_in_the_tables(
    tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    made = Study(tmp_path / "networks", write_run)
    atlas = pd.DataFrame({"index": [1, 2, 3], "name": list("abc"), "network": ["x", "", "x"]})
    for seed, label in enumerate(LABELS):
        made.add(label, seed, atlas=atlas)
    assert made.group("--model", "1", "--contrast", "Intercept", "--permutations", "0") == 0
    lines = (made.out / f"{NAME}_model-A_contrast-Intercept_edges.tsv").read_text().splitlines()
    cells = [line.split("\t")[:4] for line in lines[1:]]
    assert cells == [["a", "b", "x", "n/a"], ["a", "c", "x", "x"], ["b", "c", "n/a", "x"]]
