from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from bids_labelx._version import __version__
from bids_labelx.app import cli
from bids_labelx.app.arguments import arrange
from bids_labelx.app.cli import main, run_and_exit
from bids_labelx.app.options import build_parser, hyphenate
from bids_labelx.denoise import preset_names
from bids_labelx.errors import ExitCode
from bids_labelx.settings import Settings

POSITIONAL = ("bids_dir", "output_dir", "analysis_level")


def test_long_options_are_accepted_with_underscores_and_hyphens() -> None:
    given = ["a_b", "--participant_label", "x_y", "--min_coverage=0.5", "-w", "my_dir"]
    wanted = ["a_b", "--participant-label", "x_y", "--min-coverage=0.5", "-w", "my_dir"]
    assert hyphenate(given) == wanted


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"bids_labelx {__version__}\n"


def test_process_ends_with_the_code_of_the_app(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The interpreter's end is not to be felt by the other tests.
    monkeypatch.setattr(cli.gc, "freeze", lambda: None)
    monkeypatch.setattr(cli.sys, "argv", ["bids_labelx", "--nonsense"])
    with pytest.raises(SystemExit) as caught:
        run_and_exit()
    assert caught.value.code == 64
    assert "--nonsense" in capsys.readouterr().err


def test_all_mistakes_of_a_command_line_are_shown_and_end_with_64(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["in", "--nonsense", "--min_coverage", "7", "--statistic", "mode"])
    message = capsys.readouterr().err
    assert code == 64
    for part in ("--nonsense", "'7'", "'mode'", "OUTPUT_DIR"):
        assert part in message
    assert "Traceback" not in message


def test_an_option_without_its_value_ends_with_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["in", "out", "participant", "--space"]) == 64
    assert "--space" in capsys.readouterr().err


def test_a_folder_that_is_not_there_ends_with_66(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([str(tmp_path / "none"), str(tmp_path / "o"), "participant", "--atlas", "x.nii"])
    assert code == 66
    assert "there is no such folder" in capsys.readouterr().err


def test_errors_show_a_traceback_only_with_v(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path), str(tmp_path / "o"), "participant", "--atlas", "x.nii"]
    assert main(arguments) == 16
    assert "Traceback" not in capsys.readouterr().err
    assert main([*arguments, "-v"]) == 16
    assert "Traceback" in capsys.readouterr().err


def test_a_mistake_of_ours_is_called_one_and_ends_with_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(cli, "_run", broken)
    assert main(["--list-denoise"]) == 70
    message = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: oh" in message
    assert "Traceback" not in message


def test_list_denoise_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-denoise"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == preset_names()


def test_the_command_line_wins_over_the_config_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text('bids_dir = "nowhere"\nnprocs = 0\natlas = ["x.nii"]\n')
    arguments = [str(tmp_path), "out", "participant", "--config-file", str(config)]
    assert main(arguments) == 64
    assert "--nprocs" in capsys.readouterr().err
    assert main([*arguments, "--nprocs", "1"]) == 16


def test_help_ends_with_every_exit_code() -> None:
    listed = " ".join(build_parser().format_help().partition("Exit codes: ")[2].split())
    for code in ExitCode:
        assert f"{code} {code.meaning}" in listed


def test_every_setting_is_accepted_with_underscores() -> None:
    for name in (one.name for one in fields(Settings) if one.name not in POSITIONAL):
        with_value = build_parser().parse_known_args(hyphenate([f"--{name}", "1"]))[0]
        assert getattr(with_value, name) in ("1", ["1"], True, 1)


def test_without_any_argument_a_few_lines_say_how_to_begin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 64
    text = capsys.readouterr().err
    assert 8 <= len(text.splitlines()) <= 12
    for words in ("--demo DIR", "BIDS_DIR OUTPUT_DIR participant --atlas", "check", "--help"):
        assert f"bids_labelx {words}" in text


def test_the_commands_that_the_first_lines_name_are_understood() -> None:
    lines = [line.split() for line in cli._FIRST_USE.splitlines() if line.startswith("  ")]
    assert len(lines) == 4
    for program, *words in lines:
        assert program == "bids_labelx"
        arranged, problems = arrange(words)
        assert not problems
        assert not build_parser().parse_known_args(arranged)[1]
