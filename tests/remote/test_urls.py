"""URLs in the places of folders: which are taken, and what is refused without repeating it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.app.cli import main
from bids_labelx.errors import UsageError
from bids_labelx.remote.urls import as_setting, checked_url, of_setting
from bids_labelx.settings import make_settings, to_toml

SECRET = "hunter2"  # noqa: S105


def settings_of(**options: object) -> object:
    given = {"bids_dir": "ds", "output_dir": "out", "analysis_level": "participant"}
    return make_settings({**given, "atlas": "some", **options})


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "https://host:8080/a%20b", "gs://bucket"])
def test_a_url_stands_in_settings_and_comes_back(url: str) -> None:
    assert of_setting(as_setting(checked_url(f"{url}/"))) == url


@pytest.mark.parametrize("folder", ["/data/s3:/x", "/a b", "/gs:"])
def test_a_folder_is_no_url(folder: str) -> None:
    assert of_setting(Path(folder)) is None


def test_settings_files_have_the_urls() -> None:
    given = {"atlas_dataset": "gs://b/atlas", "datasets": ["raw=https://host/raw/"]}
    told = to_toml(settings_of(bids_dir="s3://bucket/prefix", **given))
    assert 'bids_dir = "s3://bucket/prefix"' in told
    assert 'atlas_dataset = "gs://b/atlas"' in told
    assert "raw=https://host/raw" in told


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    settings = settings_of(bids_dir=f"file://{tmp_path}/a%20b", output_dir=f"file://{tmp_path}")
    assert (settings.bids_dir, settings.output_dir) == (tmp_path / "a b", tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        [f"https://user:{SECRET}@host/ds", "out", "participant"],
        [f"https://host/ds?X-Amz-Signature={SECRET}", "out", "participant"],
        ["ds", "out", "participant", "--atlas-dataset", f"https://{SECRET}@host/ds"],
        ["ds", "out", "participant", f"--atlas-dataset=https://{SECRET}@host/ds"],
        ["ds", "out", "participant", "--datasets", f"raw=s3://{SECRET}@bucket/ds"],
        ["ds", "out", "participant", f"--datasets=raw=https://host/ds?sig={SECRET}"],
        ["ds", f"s3://key:{SECRET}@bucket/out", "participant"],
        # In the wrong order, and with an option that there is not.
        ["participant", f"https://user:{SECRET}@host/ds", "out", "--nothing"],
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main(words) == 64
    told = capsys.readouterr()
    assert "a URL with a user, a password, a query" in told.err
    assert SECRET not in told.err + told.out


def test_a_secret_in_a_settings_file_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'bids_dir = "https://me:{SECRET}@host/ds"\noutput_dir = "out"\n')
    assert main(["--config-file", str(file)]) == 64
    told = capsys.readouterr().err
    assert "BIDS_DIR a URL with a user" in told
    assert SECRET not in told


def test_results_are_written_to_this_machine() -> None:
    with pytest.raises(UsageError, match=r"OUTPUT_DIR 's3://b/out': .*aws s3 sync"):
        settings_of(output_dir="s3://b/out")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("bids_dir", "ftp://host/ds", "ftp://host/ds.*file://, s3://, gs://, https://, http://"),
        ("bids_dir", "s3:///prefix", "the bucket or the machine"),
        ("work_dir", "s3://b/w", "a path is expected here"),
        ("bids_dir", "file://host/ds", "file:///PATH"),
    ],
)
def test_other_urls_are_refused_with_what_is_expected(option: str, value: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        settings_of(**{option: value})
