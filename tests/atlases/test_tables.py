from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_labelx.atlases.tables import read_table, select_labels
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.files import write_tsv

FREESURFER = """#$Id: a LUT $
#No. Label Name:                            R   G   B   A

0   Unknown                                 0   0   0   0
  2\tLeft-Cerebral-White-Matter\t\t245 245 245 0
17  Left-Hippocampus                        220 216 20  0   1

1035 ctx-lh-insula                          255 192 32  255
"""
WORKBENCH = """Left  anterior <cingulum>, "a"
7 255 0 16 255

# 2
3\t0\t1\t2\t255
"""
ITKSNAP = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  0    "Left "old" hippocampus"
   12   204    0   10     0.50  0  1    "Région"
"""
MRICRON = "1 Precentral_L 2001\n2 Precentral_R 2002\n"
FSL_LUT = "1 0.5 1 .25 Label 1\n2 0 0.0 1.0000 Vermis_VI\n"
XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<atlas version="1.0">
  <header><name>Toy</name><shortname>T</shortname><type>{kind}</type></header>
  <data>
    <!-- a comment -->
    <label index="0" x="48" y="94" z="35">Frontal Pole</label>
    <label index="1" x="25" y="70" z="32"> Insula &amp; more </label>
    <label index="4" x="33" y="73" z="63">Gyrus <i>x</i></label>
  </data>
</atlas>
"""


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


@pytest.fixture
def found(shared_data: Path) -> Path:
    """The tables as they are found in the wild, with their images."""
    return shared_data / "atlases" / "lut-formats"


def in_image(path: Path) -> set[int]:
    values = np.unique(np.asanyarray(nib.load(path).dataobj))
    assert (values == np.round(values)).all()
    return {int(value) for value in values} - {0}


# Rows counted and read with grep, head and tail.
@pytest.mark.parametrize(
    ("name", "rows", "first", "last"),
    [
        ("atl-Anatom.tsv", 34, (1, "Left_I_IV"), (34, "Right_Fastigial")),
        ("atl-Anatom.lut", 34, (1, "Left_I_IV"), (34, "Right_Fastigial")),
        ("aal.nii.txt", 116, (1, "Precentral_L"), (116, "Vermis_10")),
        ("labels_aal.csv", 120, (2001, "Precentral_L"), (9170, "Vermis_10")),
        ("MIST_122.csv", 122, (1, "SPlob_1"), (122, "PSMcor_a")),
        ("atlas-desikankilliany.csv", 83, (1, "bankssts_L"), (83, "brainstem")),
        (
            "FreeSurferAllLut.txt",
            1265,
            (1, "LEFT-CEREBRAL-EXTERIOR"),
            (14175, "WM_RH_S_TEMPORAL_TRANSVERSE"),
        ),
        (
            "Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1_label.txt",
            116,
            (1, "HIP-rh"),
            (116, "7Networks_RH_Default_pCunPCC_2"),
        ),
    ],
)
def test_real_tables_are_read_whole(
    found: Path, name: str, rows: int, first: tuple[int, str], last: tuple[int, str]
) -> None:
    table = read_table(found / name)
    assert table.columns.tolist()[:2] == ["index", "name"]
    assert table["index"].dtype == np.int64
    assert len(table) == rows
    ends = table[["index", "name"]].iloc[[0, -1]].itertuples(index=False, name=None)
    assert list(ends) == [first, last]


@pytest.mark.parametrize(
    ("table", "image"),
    [
        ("atl-Anatom.tsv", "atl-Anatom_space-MNI_dseg.nii"),
        ("atl-Anatom.lut", "atl-Anatom_space-MNI_dseg.nii"),
        ("aal.nii.txt", "aal.nii.gz"),
        ("labels_aal.csv", "atlas_aal.nii.gz"),
        ("MIST_122.csv", "MIST_122.nii.gz"),
        ("atlas-desikankilliany.csv", "atlas-desikankilliany.nii.gz"),
        (
            "Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1_label.txt",
            "Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1_3T_MNI152NLin2009cAsym_2mm"
            ".nii.gz",
        ),
    ],
)
def test_the_index_of_real_tables_is_what_their_image_holds(
    found: Path, table: str, image: str
) -> None:
    assert set(read_table(found / table)["index"]) == in_image(found / image)


def test_the_freesurfer_list_has_the_subcortical_values_of_the_hcp_image(found: Path) -> None:
    table = read_table(found / "FreeSurferAllLut.txt").set_index("index")
    assert in_image(found / "Atlas_ROIs.2.nii.gz") <= set(table.index)
    assert table["name"][[17, 18, 53]].tolist() == [
        "LEFT-HIPPOCAMPUS",
        "LEFT-AMYGDALA",
        "RIGHT-HIPPOCAMPUS",
    ]
    assert table["color"][14175] == "#dd3c3c"  # 221 60 60


def test_a_lookup_table_is_the_same_as_the_tsv_beside_it(found: Path) -> None:
    lut, tsv = read_table(found / "atl-Anatom.lut"), read_table(found / "atl-Anatom.tsv")
    assert lut.columns.tolist() == tsv.columns.tolist() == ["index", "name", "color"]
    pd.testing.assert_frame_equal(lut[["index", "name"]], tsv[["index", "name"]])
    # The TSV has the colours rounded down.
    for ours, theirs in zip(lut["color"], tsv["color"], strict=True):
        steps = np.subtract([*bytes.fromhex(ours[1:])], [*bytes.fromhex(theirs[1:])])
        assert set(steps) <= {0, 1}


def test_the_second_number_of_mricron_is_kept_and_is_not_the_index(found: Path) -> None:
    table = read_table(found / "aal.nii.txt")
    assert table.columns.tolist() == ["index", "name", "code"]
    assert table["code"].tolist()[:3] == ["2001", "2002", "2101"]
    assert not {2001, 9170} & in_image(found / "aal.nii.gz")


def test_regions_of_mist_that_share_a_label_get_their_index(found: Path) -> None:
    table = read_table(found / "MIST_122.csv")
    # Four pairs, found with cut, sort and uniq -d.
    completed = table[table["name"] != table["label"]]
    assert completed["name"].tolist() == [
        *("SPlob_1", "L_IPlob_4", "PCcor_24", "PCcor_27"),
        *("PRC_d_47", "PRC_d_64", "SPlob_76", "L_IPlob_114"),
    ]
    assert table["name_in_file"][1] == "CAUDATE_ventral"
    assert table["neighbour"][0] == "[28, 64, 67, 68, 76, 113, 116, 118, 122]"
    assert table["laterality"][1] == "-0.36700000000000005"


def test_regions_of_both_hemispheres_that_share_a_label_get_their_hemisphere(found: Path) -> None:
    table = read_table(found / "atlas-desikankilliany.csv").set_index("index")
    assert table["name"][[34, 75, 83]].tolist() == ["insula_L", "insula_R", "brainstem"]
    assert table.columns.tolist() == ["name", "label", "hemisphere", "structure"]
    assert table["label"][75] == "insula"


def test_every_label_table_of_the_trees_is_read(shared_data: Path) -> None:
    tables = [p for p in sorted((shared_data / "trees").rglob("*dseg.tsv")) if p.stat().st_size]
    assert len(tables) > 30
    for path in tables:
        lines = path.read_bytes().split(b"\n")
        rows = [line for line in lines[1:] if line and not line.startswith(b"0\t")]
        table = read_table(path)
        assert len(table) == len(rows)
        assert "\t".join(["index", *table.columns[1:]]).encode() == lines[0]
        last = [str(value) for value in table.iloc[-1]]
        # Some of fMRIPrep's have their names in quotes.
        assert "\t".join(last).encode() == rows[-1].replace(b'"', b"")


def test_a_file_that_is_no_table_is_refused_with_what_it_begins_with(found: Path) -> None:
    with pytest.raises(BadDataError, match=r"begins with 'Format: https.*…'.*MRIcron.*Write it"):
        read_table(found / "mricron-copyright")
    with pytest.raises(BadDataError, match="not a text file"):
        read_table(found / "aal.nii.gz")


def test_a_freesurfer_lut_is_read(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x", FREESURFER))
    assert table.to_dict("list") == {
        "index": [2, 17, 1035],
        "name": ["Left-Cerebral-White-Matter", "Left-Hippocampus", "ctx-lh-insula"],
        "color": ["#f5f5f5", "#dcd814", "#ffc020"],
    }


def test_a_lookup_table_under_a_heading_with_tabs_is_read(tmp_path: Path) -> None:
    text = "#No.\tLabel Name:\tR\tG\tB\tA\n1\tWM\t\t230\t230\t210\t255\n"
    table = read_table(write(tmp_path / "x", text))
    assert table.to_dict("list") == {"index": [1], "name": ["WM"], "color": ["#e6e6d2"]}


def test_a_workbench_list_is_read_with_names_as_they_stand(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x", WORKBENCH))
    assert table.to_dict("list") == {
        "index": [7, 3],
        "name": ['Left  anterior <cingulum>, "a"', "# 2"],
        "color": ["#ff0010", "#000102"],
    }


def test_an_itksnap_description_is_read(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x", ITKSNAP))
    assert table.to_dict("list") == {
        "index": [1, 12],
        "name": ['Left "old" hippocampus', "Région"],
        "color": ["#ff0000", "#cc000a"],
    }


def test_an_fsl_lookup_table_is_read(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x", FSL_LUT))
    assert table.to_dict("list") == {
        "index": [1, 2],
        "name": ["Label 1", "Vermis_VI"],
        "color": ["#80ff40", "#0000ff"],
    }


@pytest.mark.parametrize(
    ("text", "names", "codes"),
    [
        ("1\tArea 20\t2001\n2\tlabel\t2002\n", ["Area 20", "label"], ["2001", "2002"]),
        ("1 Precentral_L\n2 Precentral_R 2002\n", ["Precentral_L", "Precentral_R"], ["", "2002"]),
        ("1\tArea 20\n2\tArea 21\n", ["Area 20", "Area 21"], ["", ""]),
        ("1\tlabel\t7\n2\tname\t8\n", ["label", "name"], ["7", "8"]),
    ],
)
def test_mricron_text_has_blanks_in_names_between_tabs(
    tmp_path: Path, text: str, names: list[str], codes: list[str]
) -> None:
    table = read_table(write(tmp_path / "x", text))
    assert table["index"].tolist() == [1, 2]
    assert table["name"].tolist() == names
    assert table["code"].tolist() == codes


@pytest.mark.parametrize(
    ("kind", "index", "names"),
    [
        ("Label", [1, 4], ["Insula & more", "Gyrus x"]),
        ("Probabilistic", [1, 2, 5], ["Frontal Pole", "Insula & more", "Gyrus x"]),
        (" Probabalistic ", [1, 2, 5], ["Frontal Pole", "Insula & more", "Gyrus x"]),
    ],
)
def test_an_fsl_atlas_has_the_values_of_its_label_or_maxprob_image(
    tmp_path: Path, kind: str, index: list[int], names: list[str]
) -> None:
    table = read_table(write(tmp_path / "x", XML.format(kind=kind)))
    assert table["index"].tolist() == index
    assert table["name"].tolist() == names
    assert table.columns.tolist() == ["index", "name", "x", "y", "z"]
    assert table["z"].tolist()[-2:] == ["32", "63"]


def test_xml_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    text = XML.format(kind="Label").replace("Gyrus", "Région")
    table = read_table(write(tmp_path / "x", text.encode("latin-1")))
    assert table["name"].tolist()[-1] == "Région x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (XML.format(kind="Statistic"), "Label or Probabilistic, found 'Statistic'"),
        (XML.replace("<type>{kind}</type>", ""), "Label or Probabilistic, found ''"),
        (XML.format(kind="Label").replace('index="4"', ""), "label 3: index .* found ''"),
        (XML.format(kind="Label").replace('index="4"', 'index="-4"'), "label 3.*'-4'"),
        (XML.format(kind="Label")[:-20], "cannot be read as XML"),
        ("<?xml version='1.0'?><labels/>", "begins with '<labels>"),
        ("<atlas ><header/><data/></atlas>", "begins with '<atlas>"),
        ("<?xml version='1.0' encoding='none-such'?><atlas/>", "cannot be read as XML"),
        (XML.format(kind="Label").replace("Frontal Pole", "a").replace(" x<", "<"), None),
    ],
)
def test_a_wrong_fsl_atlas_is_refused(tmp_path: Path, text: str, message: str | None) -> None:
    path = write(tmp_path / "x", text)
    if message is None:  # the control: what was cut off above is all that was wrong
        assert len(read_table(path)) == 2
        return
    with pytest.raises(BadDataError, match=message):
        read_table(path)


def test_xml_with_entities_of_its_own_is_refused(tmp_path: Path) -> None:
    doctype = '<!DOCTYPE atlas [<!ENTITY a "boom"><!ENTITY b "&a;&a;">]>'
    text = XML.format(kind="Label").replace("<atlas", f"{doctype}\n<atlas", 1)
    text = text.replace("Gyrus", "&b;")
    with pytest.raises(BadDataError, match="DOCTYPE"):
        read_table(write(tmp_path / "x", text))


@pytest.mark.parametrize(
    ("text", "index", "names", "others"),
    [
        ("index,name\n3,b\n1,a\n", [3, 1], ["b", "a"], []),
        ("roi;label;size\n3;b;9\n1;a;8\n", [3, 1], ["b", "a"], ["size"]),
        ("Index\tLabel\n3\tb\n1\ta\n", [3, 1], ["b", "a"], []),
        ("ROI\tname\tLabel\n3\tb\tx\n1\ta\tx\n", [3, 1], ["b", "a"], ["Label"]),
        ("value\tregionname\n3\tb\n1\ta\n", [3, 1], ["b", "a"], []),
        ("Label Number,ROI Name\n3,b\n1,a\n", [3, 1], ["b", "a"], []),
        ("region name\tid\textra\n b \t03\t x\na\t1.0\ty\n", [3, 1], ["b", "a"], ["extra"]),
        ("index,ROI\n3,b\n1,a\n", [3, 1], ["b", "a"], []),
        # Numbers under `label` are the index beside a name, and names beside an index.
        ("label,region\n3,b\n1,a\n", [3, 1], ["b", "a"], []),
        ("index,label\n3,44\n1,45\n", [3, 1], ["44", "45"], []),
        (
            "index\tlabel\tr\tg\tb\n3\t44\t1\t2\t3\n1\t45\t1\t2\t3\n",
            [3, 1],
            ["44", "45"],
            [*"rgb"],
        ),
        # Two that agree are one.
        ("index,id,name\n3,3,b\n1,01,a\n", [3, 1], ["b", "a"], ["id"]),
        # BIDS decides over words that mean less.
        ("index\tid\tname\tlabel\n3\t1\tb\tx\n1\t2\ta\ty\n", [3, 1], ["b", "a"], ["id", "label"]),
        # pandas' row numbers have no heading; blank and empty rows are none.
        (",index,name\n\n0,3,b\n1,1,a\n,,\n", [3, 1], ["b", "a"], []),
        ("index;name;;\n3;b;;\n1;a;;\n;;;\n", [3, 1], ["b", "a"], []),
        ("index\tname\n3\tb\t\n1\ta\n", [3, 1], ["b", "a"], []),
    ],
)
def test_headings_tell_the_index_and_the_name(
    tmp_path: Path, text: str, index: list[int], names: list[str], others: list[str]
) -> None:
    table = read_table(write(tmp_path / "x", text))
    assert table["index"].tolist() == index
    assert table["name"].tolist() == names
    assert table.columns.tolist() == ["index", "name", *others]


def test_a_name_that_is_not_unique_gives_way_to_a_label_that_is(tmp_path: Path) -> None:
    text = "roi,Name,label,Index number\n0,x,bg,\n1,x,a,i\n2,x,b,j\n"
    table = read_table(write(tmp_path / "x", text))
    assert table["name"].tolist() == ["a", "b"]
    assert table["Name_in_file"].tolist() == ["x", "x"]
    assert table["Index number"].tolist() == ["i", "j"]
    table = read_table(write(tmp_path / "x", "roi,name,label\n1,,a\n2,x,b\n"))
    assert table["name"].tolist() == ["a", "b"]


def test_labels_that_a_hemisphere_does_not_tell_apart_get_their_index(tmp_path: Path) -> None:
    text = "id,label,hemi\n01,a,L\n2,a,R\n3,a_R,R\n4,b,\n"
    table = read_table(write(tmp_path / "x", text))
    assert table["name"].tolist() == ["a_1", "a_2", "a_R", "b"]
    table = read_table(write(tmp_path / "x", "id,label,hemi\n1,a,L\n2,a,\n"))
    assert table["name"].tolist() == ["a_L", "a"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "text",
    ["index\tname\n1\ta b\n2\tc\n", "a b\n1 0 0 0 0\nc\n2 0 0 0 0\n", "1\ta b\n2\tc"],
    ids=["tsv", "workbench", "mricron"],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "bom"])
def test_line_ends_of_all_systems_and_a_byte_order_mark_are_read(
    tmp_path: Path, text: str, end: str, mark: str
) -> None:
    table = read_table(write(tmp_path / "x.csv", mark + text.replace("\n", end)))
    assert table["index"].tolist() == [1, 2]
    assert table["name"].tolist() == ["a b", "c"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("x.tsv", "index,name\n1,a\n"), ("x.csv", "index\tname\n1\ta\n"), ("x.xml", "1 a 7\n")],
)
def test_the_extension_says_nothing(tmp_path: Path, name: str, text: str) -> None:
    assert read_table(write(tmp_path / name, text))["name"].tolist() == ["a"]


@pytest.mark.parametrize(
    "name",
    [
        'with "quotes"',
        '"quoted" too',
        "a, b",
        "a; b",
        "<script>",
        "Région",
        "NA",
        "n/a",
        "# 1",
        "1",
    ],
)
def test_names_come_as_they_stand(tmp_path: Path, name: str) -> None:
    table = read_table(write(tmp_path / "x", f"index\tname\n3\t {name} \n"))
    assert table["name"].tolist() == [name]
    quoted = name.replace('"', '""')
    table = read_table(write(tmp_path / "x", f'index, name\n3, "{quoted}"\n'))
    assert table["name"].tolist() == [name]


@pytest.mark.parametrize(
    ("field", "name"),
    [('"Left-Amygdala"', "Left-Amygdala"), ('"a ""b"""', 'a "b"'), ('"a" or "b"', '"a" or "b"')],
)
def test_quotes_around_a_field_of_a_tsv_are_no_part_of_it(
    tmp_path: Path, field: str, name: str
) -> None:
    table = read_table(write(tmp_path / "x", f"index\tname\n3\t{field}\n"))
    assert table["name"].tolist() == [name]


@pytest.mark.parametrize("name", ['5" probe', 'a "b"', '"a" or "b"', "plain"])
def test_a_name_that_the_app_wrote_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    write_tsv(tmp_path / "x.tsv", pd.DataFrame({"index": [3], "name": [name]}))
    assert read_table(tmp_path / "x.tsv")["name"].tolist() == [name]
    assert pd.read_csv(tmp_path / "x.tsv", sep="\t")["name"].tolist() == [name]


def test_large_indices_are_exact(tmp_path: Path) -> None:
    large = [2**31 - 1, 2**31 + 7, 2**53 + 1, 10**18 - 1]
    rows = "".join(f"{value}\tr{value}\n" for value in large)
    assert read_table(write(tmp_path / "x", f"index\tname\n{rows}"))["index"].tolist() == large


def test_background_is_left_out_whatever_else_is_wrong_with_its_row(tmp_path: Path) -> None:
    text = "index\tname\n0\t\n1\ta\n0\ta\n"
    assert read_table(write(tmp_path / "x", text))["name"].tolist() == ["a"]
    text = "index\tname\n0\tzero\n1\t\n2\tb\n"
    table = read_table(write(tmp_path / "x", text), background=1)
    assert table["index"].tolist() == [0, 2]


def test_a_header_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x", "index\tname\n"))
    assert table.empty
    assert table["index"].dtype == np.int64


def test_a_table_that_the_app_wrote_is_read_without_what_it_computed(tmp_path: Path) -> None:
    text = "index\tname\tnetwork\tvoxels_atlas\tstatus\n1\ta\tx\t5\tok\n"
    table = read_table(write(tmp_path / "x", text))
    assert table.columns.tolist() == ["index", "name", "network"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index\tname\n1\ta\n1\tb\n", "index 1 stands in more than one row, line 2 and line 3"),
        ("index\tname\n1\ta\n\n2\ta\n", "name a stands in more than one row, .* index 1 and 2"),
        ("index,name\n1,a\n2,a\n", "name a stands in more than one row"),
        ("id\tname\n1\ta\n2\ta \n", "name a stands in more than one row"),
        ("1 a\n2 b\n3 a\n", "name a stands in more than one row, .* index 1 and 3"),
        ("a\n1 0 0 0 0\na\n2 0 0 0 0\n", "name a stands in more than one row"),
        ("id,label\n1,a\n2,a\n3,a_1\n", "name a_1 stands in more than one row"),
        ("index\tname\n1\ta\n1.5\tb\n", "line 3: .*found '1.5'"),
        ("index\tname\n-1\ta\n", "line 2: .*found '-1'"),
        ("id,name\nx,a\n", "line 2: .*found 'x'"),
        ("index\tname\n\ta\n", "line 2: .*found ''"),
        (f"index\tname\n{10**18}\ta\n", f"found '{10**18}'"),
        ("index\tname\n1\t\n", "line 2: a row without a name"),
        ("index\tname\n1\t  \n", "line 2: a row without a name"),
        ('1 0 0 0 1 1 1 "a"\n2 0 0 0 1 1 1 ""\n', "line 2: a row without a name"),
        ("id,label\n1,\n2,\n", "line 2: a row without a name"),
        ("index,id,name\nx,1,a\n", "line 2: .*found 'x'"),
        ("number\tname\n1\ta\n", "no column index .*found number, name"),
        ("label\tname\nx\ta\n", "no column index"),
        ("index\tarea\n1\ta\n", "no column name .*found index, area"),
        ("index,id,name\n1,1,a\n2,3,b\n", r"line 3: several columns .*\(index 2, id 3\)"),
        ("roi,label,name\n1,2001,a\n", r"several columns .*\(roi 1, label 2001\)"),
        ("index\tname\tname\n1\ta\tb\n", "2 columns are called name"),
        ("index\tname\n1\ta\n2\tb\tc\n", "line 3: 3 fields where the header has 2"),
        ("index\tname\tx\n1\ta\tb\n2\tb\n", "line 3: 2 fields where the header has 3"),
        ("index,name\n1,a, b\n", "line 2: 3 fields"),
        ('index,name\n1,"a\n2,b\n', "line 3: unexpected end"),
        ('index,name\n1,"a\tb"\n', "line 2: a tab, line break .* in name"),
        ('index,name\n1,"a\nb"\n', "line 3: a tab, line break .* in name"),
        ('index,name,note\n1,a,"b\nc"\n', "a tab, line break .* in note"),
        ("1 a 7\n2 b c d\n", r"line 2: expected index name .*MRIcron.*found '2 b c d'"),
        ("1 a 0 0 0 0\n# x\n2 b b 0 0 0 0\n", "line 3: expected index name R G B A"),
        ("1 a 0 0 0 0\n2 b 0 0 256 0\n", "line 2: expected index name R G B A"),
        ("1 0 0 0.5 a\n2 0 1.5 0 b\n", r"line 2: expected index R G B name \(FSL\)"),
        ('1 0 0 0 1 1 1 "a"\n2 0 0 0 1 1 1 b\n', "line 2: expected .*ITK-SNAP"),
        ("a\n1 0 0 0 0\nb\n", r"line 3: expected .*Workbench.*found '\\tb'"),
        ("a\n1 300 0 0 0\n", "line 2: expected .*Workbench"),
        # An ITK-SNAP file with a line broken: numbers after the five are no part of a name.
        ('" ITK\n0 0 0 0 0\n0 0 "x"\n1 255 0 0 1 1 1 "Left A"\n', "line 4: expected .*Workbench"),
        ("a\n-1 0 0 0 0\n", "line 2: expected .*Workbench"),
        ("", "an empty file"),
        ("\n \n", "an empty file"),
        ("# nothing\n# else\n", "begins with '# nothing'"),
        ("1,a\n2,b\n", "begins with '1,a'"),
        ("1 2\n2 3\n", "begins with '1 2'"),
        ("1 0.5 0.5 0.5 1.0 a\n", "begins with '1 0.5"),
        ("1 17 255 0 0 0\n", "begins with '1 17"),
        ("0.5 0.3\n", "begins with '0.5 0.3'"),
        ("foo\tbar\n1\ta\n", r"begins with 'foo\\tbar'"),
        ('{"labels": {"1": "a"}}', "begins with"),
        ("<!DOCTYPE html>\n<html></html>", "begins with '<!DOCTYPE html>'"),
        ("x" * 200_000, "begins with 'x{60}…'"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message) as caught:
        read_table(write(tmp_path / "table", text))
    assert str(caught.value).startswith(str(tmp_path / "table"))
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_other_encodings_are_refused_with_the_line(tmp_path: Path, encoding: str) -> None:
    text = "index\tname\r\n1\tok\r\n2\tRégion\r\n".encode(encoding)
    with pytest.raises(BadDataError, match=r"line 3: not UTF-8 \(byte 0xe9\).*save the file as"):
        read_table(write(tmp_path / "x.tsv", text))
    with pytest.raises(BadDataError, match="not a text file in UTF-8"):
        read_table(write(tmp_path / "x.tsv", "index\tname\n1\ta\n".encode("utf-16")))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.tsv cannot be read"):
        read_table(tmp_path / "none.tsv")
    with pytest.raises(BadDataError, match="cannot be read"):
        read_table(tmp_path)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {"index": [9, 2, 5, 17], "name": ["nine", "17", "Two", "3"], "x": list("abcd")}
    )


@pytest.mark.parametrize(
    ("wanted", "index", "unmatched"),
    [
        (["5", "nine"], [9, 5], []),
        (["nine", "9"], [9], []),
        (["17"], [17], []),  # an index before a name
        (["3"], [17], []),  # a name where there is no such index
        (["002"], [2], []),
        (["two", "4", "Two", "4", "9.0", ""], [5], ["two", "4", "9.0", ""]),
        ([], [], []),
        (["9" * 5000], [], ["9" * 5000]),
    ],
)
def test_labels_are_chosen_by_index_then_by_exact_name(
    table: pd.DataFrame, wanted: list[str], index: list[int], unmatched: list[str]
) -> None:
    subset, missing = select_labels(table, wanted)
    assert subset["index"].tolist() == index
    assert missing == unmatched
    assert subset.columns.tolist() == ["index", "name", "x"]
    assert subset.index.tolist() == list(range(len(index)))
