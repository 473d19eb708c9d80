"""What each command of this folder begins with: the right Python and folder, then the measurement of that name."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def launch(name: str) -> None:
    """Runs bench/measures/<name>.py with the Python of .venv, unless the present one has all that is needed."""
    if importlib.util.find_spec("django") is None:
        python = ROOT / ".venv" / "bin" / "python"
        if not python.exists():
            sys.exit("Nothing is installed here yet: ./run installs it.")
        os.execv(python, [str(python), *sys.argv])
    os.chdir(ROOT)
    sys.path[0] = str(ROOT)
    sys.exit(importlib.import_module(f"bench.measures.{name}").main())
