"""`import streamer.testing`: for any way of testing, so it asks for no pytest."""

import subprocess
import sys


def test_it_does_not_import_pytest() -> None:
    script = "import sys, streamer.testing; print([name for name in sys.modules if name.split('.')[0] == 'pytest'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
