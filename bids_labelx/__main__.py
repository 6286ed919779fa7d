"""``python -m bids_labelx``."""

from bids_labelx.app.cli import run_and_exit

if __name__ == "__main__":
    run_and_exit()
