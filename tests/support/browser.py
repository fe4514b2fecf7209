"""Pages in a browser: what their scripts make of them."""

import os
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian: apt-get install chromium)")


def rendered(page, tmp_path, script, width=1400):
    """The page's document after its own scripts and this one; fails when the browser complains of anything."""
    copy = tmp_path / "copy.html"
    before, end, after = page.rpartition("</body>")
    copy.write_text(f"{before}<script>{script}</script>\n{end}{after}")
    command = [CHROMIUM, "--headless", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--no-sandbox"] * (os.geteuid() == 0) + ["--enable-logging=stderr", f"--window-size={width},1000"]
    command.append("--virtual-time-budget=20000")  # until the charts are drawn
    done = subprocess.run([*command, "--dump-dom", copy.as_uri()], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout
