from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from surfaces import LEFT, RIGHT, THALAMUS, axis_of, space_of

from bids_labelx.outputs.parcels import parcels_of, write_parcel_matrix, write_parcel_series

SPACE = space_of()
REGIONS = pd.DataFrame({"index": [7, 2, 9], "name": ["seven", "two", "none"]})


def labels() -> np.ndarray:
    found = np.zeros(SPACE.n_elements, int)
    found[[0, 3, 10]] = 7
    found[[1, -1, -2]] = 2
    return found


def test_parcels_have_the_vertices_and_voxels_of_their_labels_in_the_order_of_the_table() -> None:
    parcels = parcels_of(labels(), SPACE, REGIONS)
    assert list(parcels.name) == ["seven", "two", "none"]
    # nibabel's own axis says which element is which.
    whole = axis_of(SPACE)
    for row, label in enumerate((7, 2, 9)):
        part = whole[np.flatnonzero(labels() == label)] if (labels() == label).any() else ()
        vertices = {}
        voxels = []
        for _, index, structure in (part[i] for i in range(len(part))):
            if structure == f"CIFTI_STRUCTURE_{THALAMUS}":
                voxels.append(tuple(index))
            else:
                vertices.setdefault(structure, []).append(int(index))
        assert {k: v.tolist() for k, v in parcels.vertices[row].items()} == vertices
        assert [tuple(one) for one in parcels.voxels[row]] == voxels
    assert parcels.nvertices == {f"CIFTI_STRUCTURE_{name}": 12 for name in (LEFT, RIGHT)}


def test_series_and_matrices_read_back_as_they_were(tmp_path: Path) -> None:
    parcels = parcels_of(labels(), SPACE, REGIONS)
    signals = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    signals[:, 2] = np.nan
    write_parcel_series(tmp_path / "x.ptseries.nii", signals, parcels, 0.8)
    image = nib.load(tmp_path / "x.ptseries.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj), signals)
    series, columns = (image.header.get_axis(i) for i in range(2))
    assert (series.step, series.unit, len(series)) == (0.8, "SECOND", 5)
    assert columns == parcels
    assert image.nifti_header.get_intent()[0] == "ConnParcelSries"
    matrix = np.eye(3, dtype=np.float32)
    write_parcel_matrix(tmp_path / "x.pconn.nii", matrix, parcels)
    image = nib.load(tmp_path / "x.pconn.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj), matrix)
    assert [image.header.get_axis(i) == parcels for i in range(2)] == [True, True]
