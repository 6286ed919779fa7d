from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bids_labelx.app.cli import main
from bids_labelx.app.descriptor import descriptor_text, make_descriptor
from bids_labelx.app.options import build_parser
from bids_labelx.errors import ExitCode, LabelxError

FILE = Path(__file__).parents[2] / "descriptor.json"
BOSH = Path(sys.executable).with_name("bosh")


def bosh(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BOSH, *arguments], capture_output=True, text=True, check=False)


def test_the_file_is_what_the_parser_gives() -> None:
    """Where it fails: python -m bids_labelx.app.descriptor > descriptor.json."""
    assert FILE.read_text(encoding="utf-8") == descriptor_text()


def test_it_is_printed_by_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bids-exec-spec"]) == 0
    assert json.loads(capsys.readouterr().out) == make_descriptor()


def test_every_option_that_runs_the_app_is_an_input() -> None:
    alone = {"--help", "--version", "--demo", "--list-denoise", "--bids-exec-spec"}
    alone |= {"--check", "--unpack", "--fetch-atlas", "--import"}
    actions = [action.option_strings for action in build_parser()._actions]
    # Without short ones, other names of one option, and the --no-detrend of --detrend.
    options = {next(n for n in names if n.startswith("--")) for names in actions if names}
    flags = {i["command-line-flag"] for i in make_descriptor()["inputs"] if i["optional"]}
    assert flags == options - alone


def test_every_exit_code_of_an_error_is_described() -> None:
    def all_below(kind: type[LabelxError]) -> set[type[LabelxError]]:
        return {kind}.union(*(all_below(sub) for sub in kind.__subclasses__()))

    described = {one["code"]: one["description"] for one in make_descriptor()["error-codes"]}
    assert {kind.exit_code for kind in all_below(LabelxError)} < set(described)
    assert described == {code: code.meaning for code in ExitCode if code}
    assert {70, 130, 143} < set(described)


def test_boutiques_finds_it_valid() -> None:
    done = bosh("validate", FILE)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "OK" in done.stdout + done.stderr


def test_boutiques_makes_the_command_line_that_we_document(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    invocation = tmp_path / "invocation.json"
    invocation.write_text(
        json.dumps(
            {
                "bids_dir": str(tmp_path / "in"),
                "output_dir": "out",
                "analysis_level": "participant",
                "participant_label": ["01", "02"],
                "min_coverage": 0.25,
                "verbose": True,
            }
        )
    )
    done = bosh("exec", "simulate", FILE, "-i", invocation)
    line = f"bids_labelx {tmp_path}/in out participant --participant-label 01 02"
    assert " ".join(done.stdout.split()).count(line) == 1, done.stdout + done.stderr
    assert "--min-coverage 0.25" in done.stdout
    assert "--verbose" in done.stdout
