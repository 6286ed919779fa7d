"""Reading volumes: every kind of image gives the values that nibabel gives, in any block size."""

from __future__ import annotations

import contextlib
import gzip
import struct
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nilearn.image import concat_imgs

from bids_labelx.extraction import formats
from bids_labelx.extraction.formats import Format, open_run_data, read_map
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import find_regions
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.spatial import smooth_volumes

AFFINE = np.array([[2.0, 0, 0.1, -10], [0, -3.0, 0, 20], [0.2, 0, 4.0, 5], [0, 0, 0, 1]])


def collect(volumes: RunData, size: int) -> np.ndarray:
    """All scaled values, as (n_volumes, voxels), checking the first indices on the way."""
    parts = []
    for first, raw in volumes.blocks(size):
        assert first == sum(map(len, parts))
        assert len(raw) <= size
        parts.append(volumes.scale(raw))
    return np.concatenate(parts)


def flat(image: nib.spatialimages.SpatialImage) -> np.ndarray:
    """The same by way of nibabel."""
    values = np.asarray(image.get_fdata(dtype=np.float64))
    values = values.reshape((*values.shape[:3], -1), order="F")
    return np.array([values[..., t].ravel(order="F") for t in range(values.shape[3])])


def random_values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) * 50 + 60).astype(dtype)


def save(
    path: Path,
    values: np.ndarray,
    *,
    slope: float | None = None,
    inter: float | None = None,
    order: str = "<",
) -> Path:
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    image = nib.Nifti1Image(values, AFFINE, header)
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    return path


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    n_volumes=st.integers(1, 9),
    dtype=st.sampled_from(["u1", "i1", "i2", "u2", "i4", "f4", "f8"]),
    order=st.sampled_from("<>"),
    scaled=st.booleans(),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    size=st.integers(1, 11),
)
def test_a_file_gives_the_values_that_nibabel_gives(
    tmp_path, shape, n_volumes, dtype, order, scaled, suffix, size
):
    values = random_values((*shape, n_volumes), dtype)
    path = tmp_path / f"image{suffix}"
    save(
        path, values, slope=0.37 if scaled else None, inter=-12.5 if scaled else None, order=order
    )
    volumes = open_run_data(path)
    assert (volumes.space.shape, volumes.n_volumes) == (shape, n_volumes)
    assert volumes.name == str(path)
    np.testing.assert_array_equal(volumes.space.affine, nib.load(path).affine)
    np.testing.assert_allclose(collect(volumes, size), flat(nib.load(path)), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_an_array_in_memory_is_read_whatever_its_memory_layout(layout, size):
    values = np.array(random_values((3, 4, 5, 7), "f4"), order=layout)
    image = nib.Nifti1Image(values, AFFINE)
    volumes = open_run_data(image)
    assert (volumes.name, volumes.slope, volumes.inter) == ("in-memory image", 1.0, 0.0)
    np.testing.assert_array_equal(collect(volumes, size), flat(image))


def test_stored_values_keep_their_type_and_are_not_scaled(tmp_path):
    values = random_values((3, 4, 5, 2), "i2")
    path = save(tmp_path / "image.nii.gz", values, slope=0.5, inter=3.0, order=">")
    volumes = open_run_data(path)
    _, raw = next(volumes.blocks(2))
    assert raw.dtype == np.dtype(">i2") == volumes.dtype
    np.testing.assert_array_equal(volumes.scale(raw), raw * 0.5 + 3.0)
    assert volumes.scale(raw).dtype == np.float64


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_loaded_image_is_streamed_from_its_file(tmp_path, suffix):
    path = save(
        tmp_path / f"image{suffix}", random_values((3, 4, 5, 6), "i2"), slope=2.0, inter=1.0
    )
    image = nib.load(path)
    volumes = open_run_data(image)
    assert volumes.name == str(path)
    assert (volumes.slope, volumes.inter) == (2.0, 1.0)
    np.testing.assert_array_equal(collect(volumes, 4), flat(nib.load(path)))
    assert not image.in_memory


@pytest.mark.parametrize("make", [nib.Nifti2Image, nib.MGHImage, nib.Spm99AnalyzeImage])
def test_other_formats_are_read_through_nibabel(tmp_path, make):
    suffix = {nib.Nifti2Image: ".nii.gz", nib.MGHImage: ".mgz"}.get(make, ".img")
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    image = make(random_values((3, 4, 5, 6), "f4"), affine)
    nib.save(image, tmp_path / f"image{suffix}")
    image = nib.load(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(collect(open_run_data(image), 4), flat(image))


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 1, 6), (3, 4, 5, 6, 1)])
@pytest.mark.parametrize("on_disk", [True, False])
def test_further_dimensions_of_length_one_do_not_count(tmp_path, shape, on_disk):
    image = nib.Nifti1Image(random_values(shape, "f4"), AFFINE)
    nib.save(image, tmp_path / "image.nii.gz")
    volumes = open_run_data(tmp_path / "image.nii.gz" if on_disk else image)
    assert (volumes.space.shape, volumes.n_volumes) == ((3, 4, 5), max(1, *shape[3:], 1))
    np.testing.assert_array_equal(collect(volumes, 4), flat(image))


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5, 2, 3), (3, 0, 5, 2)])
def test_an_image_that_is_not_3d_or_4d_or_is_empty_is_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        open_run_data(nib.Nifti1Image(np.zeros(shape, "f4"), AFFINE))


def test_complex_and_colour_values_are_refused():
    colour = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for values in (np.zeros((2, 2, 2), "c8"), colour):
        with pytest.raises(ValueError, match="real numbers"):
            open_run_data(nib.Nifti1Image(values, AFFINE))


def test_what_is_no_image_is_refused_with_its_name(tmp_path):
    with pytest.raises(TypeError, match="ndarray"):
        open_run_data(np.zeros((2, 2, 2)))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"nowhere\.nii"):
        open_run_data(tmp_path / "nowhere.nii")
    for name, content in {"text.nii": b"not an image" * 50, "empty.nii.gz": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OSError, match=name):
            open_run_data(tmp_path / name)


def test_a_block_size_below_one_is_refused():
    volumes = open_run_data(nib.Nifti1Image(np.zeros((2, 2, 2, 3), "f4"), AFFINE))
    with pytest.raises(ValueError, match="size of 0"):
        volumes.blocks(0)


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("whole", [0, 4, 9])
def test_a_truncated_nii_names_the_file_and_the_whole_volumes(tmp_path, size, whole):
    path = save(tmp_path / "image.nii", random_values((8, 8, 8, 10), "i2"))
    content = path.read_bytes()
    path.write_bytes(content[: 352 + whole * 1024 + 700])
    message = rf"image\.nii: only {whole} of 10 volumes are whole, the file is truncated"
    with pytest.raises(OSError, match=message):
        collect(open_run_data(path), size)


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_truncated_gzip_names_the_file_and_the_whole_volumes(tmp_path, size, cut):
    path = save(tmp_path / "image.nii.gz", random_values((16, 16, 16, 10), "i2"))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    arrived = b""
    with gzip.open(path) as stream, contextlib.suppress(EOFError):
        while piece := stream.read1(100):
            arrived += piece
    whole = (len(arrived) - 352) // (16**3 * 2)
    with pytest.raises(
        OSError, match=f"only {whole} of 10 volumes are whole.*truncated or corrupt"
    ):
        collect(open_run_data(path), size)


def test_a_gzip_of_a_file_that_was_short_before_is_refused(tmp_path):
    path = save(tmp_path / "image.nii.gz", random_values((8, 8, 8, 10), "i2"))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[: 352 + 3 * 1024 + 5]))
    with pytest.raises(OSError, match="only 3 of 10 volumes are whole"):
        collect(open_run_data(path), 8)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_gzip_without_its_checksum_is_refused(tmp_path, cut):
    path = save(tmp_path / "image.nii.gz", random_values((8, 8, 8, 10), "i2"))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(OSError, match="truncated or corrupt"):
        collect(open_run_data(path), 8)


def test_a_gzip_with_damaged_bytes_is_refused(tmp_path):
    path = save(tmp_path / "image.nii.gz", random_values((16, 16, 16, 10), "i2"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(OSError, match="truncated or corrupt"):
        collect(open_run_data(path), 3)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_memory_does_not_grow_with_the_number_of_volumes(tmp_path, suffix):
    peaks = []
    for n_volumes in (16, 160):
        path = save(
            tmp_path / f"image{n_volumes}{suffix}", np.zeros((32, 32, 16, n_volumes), "i2")
        )
        tracemalloc.start()
        for _ in open_run_data(path).blocks(4):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_volume = 32 * 32 * 16 * 2
    # The thread that reads ahead may hold one more block of 4 at the peak.
    assert peaks[1] < peaks[0] + 8 * one_volume


def test_read_map_keeps_large_integers_and_scales_the_others(tmp_path):
    values = np.array([[[2**53 + 1, -3], [9170, 0]]], np.int64)
    _, read = read_map(nib.Nifti1Image(values, AFFINE, dtype="int64"))
    np.testing.assert_array_equal(read, values.ravel("F"))
    path = save(tmp_path / "labels.nii", np.array([[[2, 4], [6, 0]]], "i2"), slope=0.5, inter=1.0)
    _, read = read_map(path)
    np.testing.assert_array_equal(read, nib.load(path).get_fdata().ravel("F"))
    with pytest.raises(ValueError, match="3 volumes"):
        read_map(nib.Nifti1Image(np.zeros((2, 2, 2, 3), "f4"), AFFINE))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("slope", "inter"),
    [(0.0, 5.0), (np.nan, 5.0), (np.inf, 0.0), (np.nan, np.nan), (2.0, -1.5), (-0.3, 0.0)],
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_odd_scaling_in_the_header_means_what_it_means_to_nibabel(
    tmp_path, dtype, slope, inter, suffix
):
    content = save(tmp_path / "plain.nii", random_values((3, 4, 5, 3), dtype)).read_bytes()
    content = content[:112] + struct.pack("<ff", slope, inter) + content[120:]
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    volumes = open_run_data(path)
    np.testing.assert_array_equal(collect(volumes, 2), flat(nib.load(path)))
    if not (np.isfinite(slope) and slope):
        assert (volumes.slope, volumes.inter) == (1.0, 0.0)


def test_a_scaling_that_nibabel_refuses_is_refused_with_the_name(tmp_path):
    path = save(tmp_path / "odd.nii", random_values((3, 4, 5, 3), "f4"))
    content = path.read_bytes()
    path.write_bytes(content[:112] + struct.pack("<ff", 2.0, np.nan) + content[120:])
    with pytest.raises(OSError, match=r"odd\.nii: cannot be read"):
        open_run_data(path)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kinds=st.lists(
        st.tuples(
            st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]),
            st.sampled_from(["<", ">"]),
            st.sampled_from([None, 1.0, 0.25, -3.0]),
            st.sampled_from([".nii", ".nii.gz", "loaded", "in memory"]),
            st.sampled_from([(3, 4, 5), (3, 4, 5, 1)]),
        ),
        min_size=1,
        max_size=7,
    ),
    size=st.integers(1, 8),
    container=st.sampled_from([list, tuple]),
)
def test_a_list_of_3d_images_is_a_run_of_their_values(tmp_path, kinds, size, container):
    images, expected = [], []
    for index, (dtype, order, slope, how, shape) in enumerate(kinds):
        values = random_values(shape, dtype, seed=index)
        if how == "in memory":
            images.append(nib.Nifti1Image(values, AFFINE))
            expected.append(flat(images[-1]))
            continue
        path = tmp_path / f"image{index}{'.nii.gz' if how == 'loaded' else how}"
        save(path, values, slope=slope, inter=None if slope is None else 7.5, order=order)
        images.append(nib.load(path) if how == "loaded" else path)
        expected.append(flat(nib.load(path)))
    volumes = open_run_data(container(images))
    assert (volumes.space.shape, volumes.n_volumes) == ((3, 4, 5), len(kinds))
    assert (volumes.slope, volumes.inter) == (1.0, 0.0)
    assert volumes.dtype.isnative
    np.testing.assert_allclose(volumes.space.affine, AFFINE, rtol=1e-6)
    assert all(raw.dtype == volumes.dtype for _, raw in volumes.blocks(size))
    np.testing.assert_allclose(
        collect(volumes, size), np.concatenate(expected), rtol=1e-12, atol=1e-9
    )


def test_a_list_of_images_is_the_run_that_nilearn_makes_of_it(tmp_path):
    paths = []
    for index in range(5):
        values = random_values((3, 4, 5), "i2", seed=index)
        paths.append(str(save(tmp_path / f"v{index}.nii", values, slope=0.1 + index, inter=index)))
    np.testing.assert_array_equal(
        collect(open_run_data(paths), 2), flat(concat_imgs(paths, dtype=None))
    )


def test_unscaled_images_of_a_list_keep_a_common_type_that_holds_them_exactly():
    def image(value: int, dtype: str) -> nib.Nifti1Image:
        return nib.Nifti1Image(np.full((2, 2, 2), value, dtype), AFFINE, dtype=dtype)

    volumes = open_run_data([image(2**62 + 1, "i8"), image(-7, "i2"), image(60000, "u2")])
    ((_, raw),) = volumes.blocks(3)
    assert raw.dtype == np.int64
    assert raw[:, 0].tolist() == [2**62 + 1, -7, 60000]


def test_images_of_a_list_on_another_grid_are_refused_and_the_first_is_named():
    def image(shape: tuple[int, ...], shift: float) -> nib.Nifti1Image:
        affine = AFFINE.copy()
        affine[0, 3] += shift
        return nib.Nifti1Image(np.zeros(shape, "f4"), affine)

    near = open_run_data([image((3, 4, 5), 0), image((3, 4, 5), 0.0009)])
    np.testing.assert_allclose(near.space.affine, AFFINE)
    good, moved, larger = image((3, 4, 5), 0), image((3, 4, 5), 0.5), image((3, 4, 6), 0)
    with pytest.raises(ValueError, match=r"image #2 \(in-memory") as caught:
        open_run_data([good, good, moved, larger])
    assert "-9.5" in str(caught.value)
    assert "-10" in str(caught.value)
    with pytest.raises(ValueError, match=r"#1: shape \(3, 4, 6\)[\s\S]*#0: shape \(3, 4, 5\)"):
        open_run_data([good, larger, moved])


def test_what_is_no_list_of_3d_images_is_refused():
    one, two = (nib.Nifti1Image(np.zeros((2, 2, 2, n), "f4"), AFFINE) for n in (1, 2))
    for empty in ([], ()):
        with pytest.raises(ValueError, match="empty list"):
            open_run_data(empty)
    for images in ([one, two], [two, one], [two]):
        index = images.index(two)
        with pytest.raises(TypeError, match="incompatible dimensionality") as caught:
            open_run_data(images)
        assert f"image #{index} (in-memory image) has 2" in str(caught.value)
    with pytest.raises(TypeError, match="found list"):
        open_run_data([[one]])  # type: ignore[list-item]


def test_a_damaged_image_of_a_list_is_named(tmp_path):
    paths = [save(tmp_path / f"v{k}.nii.gz", random_values((32,) * 3, "i2", k)) for k in range(3)]
    content = paths[1].read_bytes()
    for cut in (5, len(content) // 2):
        paths[1].write_bytes(content[:-cut])
        with pytest.raises(OSError, match=r"v1\.nii\.gz.*truncated or corrupt"):
            collect(open_run_data(paths), 2)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("slope", [None, 0.5])
def test_memory_does_not_grow_with_the_length_of_a_list(tmp_path, suffix, slope):
    paths = [
        save(tmp_path / f"{k}{suffix}", np.zeros((32, 32, 32), "i2"), slope=slope, inter=0)
        for k in range(40)
    ]
    peaks = []
    for n_volumes in (8, 40):
        volumes = open_run_data(paths[:n_volumes])
        tracemalloc.start()
        for _ in volumes.blocks(4):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 32**3 * 2


@pytest.mark.parametrize("kind", [str, Path])
def test_wildcards_stand_for_the_sorted_files_that_match(tmp_path, kind):
    values = {k: random_values((3, 4, 5), "f4", seed=k) for k in (10, 2, 1)}
    for k, one in values.items():
        (tmp_path / f"ses-{k:02}").mkdir()
        save(tmp_path / f"ses-{k:02}" / "con.nii", one)
    volumes = open_run_data(kind(tmp_path / "ses-*" / "c?n.nii"))
    expected = [values[k].ravel(order="F") for k in (1, 2, 10)]
    np.testing.assert_array_equal(collect(volumes, 2), expected)
    with pytest.raises(ValueError, match=r"ses-\*/nothing\.nii"):
        open_run_data(kind(tmp_path / "ses-*" / "nothing.nii"))


def test_a_file_whose_name_has_wildcards_goes_before_files_that_match(tmp_path):
    odd = random_values((3, 4, 5, 2), "f4", seed=1)
    save(tmp_path / "run[1].nii", odd)
    save(tmp_path / "run1.nii", random_values((3, 4, 5), "f4", seed=2))
    assert open_run_data(tmp_path / "run[1].nii").n_volumes == 2
    (tmp_path / "run[1].nii").unlink()
    assert open_run_data(tmp_path / "run[1].nii").n_volumes == 1


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-8], lambda c: c[:-4], lambda c: c[:-8] + bytes(8)]
)
def test_read_map_refuses_a_file_without_its_right_checksum(tmp_path, damage):
    # Large enough that nibabel does not come to the end when it reads the header.
    labels = np.random.default_rng(0).integers(0, 200, (60, 60, 60)).astype("u1")
    path = save(tmp_path / "labels.nii.gz", labels)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OSError, match="truncated or corrupt"):
        read_map(path)


@dataclass(frozen=True)
class Vertices:
    """A space that is no grid."""

    n_elements: int

    def same(self, other):
        return self == other

    def lay_labels(self, labels, own, **how):  # noqa: ARG002
        return labels


def open_surface(name: str, image: nib.GiftiImage) -> RunData:
    values = np.array([array.data for array in image.darrays])

    def read(size):
        return ((first, values[first : first + size]) for first in range(0, len(values), size))

    return RunData(name, Vertices(values.shape[1]), len(values), values.dtype, read)


def test_a_format_on_another_space_takes_a_reader_and_a_line_in_the_registry(
    tmp_path, monkeypatch
):
    values = random_values((6, 10), "f4")
    arrays = [nib.gifti.GiftiDataArray(row) for row in values]
    nib.save(nib.GiftiImage(darrays=arrays), tmp_path / "run.func.gii")
    with pytest.raises(TypeError, match="found GiftiImage"):
        open_run_data(tmp_path / "run.func.gii")
    reader = Format(lambda image: isinstance(image, nib.GiftiImage), open_surface)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, reader))

    data = open_run_data(tmp_path / "run.func.gii")
    labels = data.space.lay_labels(np.repeat([2, 1], 5), Vertices(10))
    regions = find_regions(labels, np.array([1, 2]))
    result = reduce_volumes(data, [regions], ["mean"], uncovered="exclude", mean_image=True)
    expected = values.astype(float).reshape(6, 2, 5).mean(axis=2)[:, ::-1]
    np.testing.assert_allclose(result.signals[0]["mean"], expected)
    assert result.mean_image.shape == (10,)
    with pytest.raises(TypeError, match="needs data on a voxel grid, found Vertices"):
        smooth_volumes(data, 6)
