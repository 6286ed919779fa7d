"""``python -m bids_labelx``."""

import sys

from bids_labelx.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
