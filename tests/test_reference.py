"""The pages that are made from the library say what the library says."""

import re
import subprocess
import sys
from pathlib import Path

import ntputils
from ntputils import plots, widgets

ROOT = Path(__file__).parent.parent


def test_every_public_name_is_in_the_reference():
    page = (ROOT / "book" / "reference.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"auto(?:function|class):: ntputils\.(?:\w+\.)*(\w+)", page))
    public = set(ntputils.__all__) | set(widgets.__all__)
    public |= {name for name, value in vars(plots).items()
               if callable(value) and getattr(value, "__module__", "") == plots.__name__ and not name.startswith("_")}
    assert public - shown == set()
    assert all(getattr(ntputils, name).__doc__ for name in ntputils.__all__)


def test_the_welcome_figure_is_what_its_script_draws():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "welcome_figure.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
