"""``python hack/accuracy``: write ``docs/accuracy.md``; with ``--check`` say whether it is up to date."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import project  # noqa: F401 - the project's own Python
from accuracy.report import main

sys.exit(main())
