"""Which Chromium the browser tests drive; run as a program, installs one if there is none.

An installed Chromium is used as it is; else Debian's package where this is root on Debian; else Playwright's own.
"""

import os
import shutil
import subprocess
import sys

# the shell is the same browser without a window's parts: a page opens there in three quarters of the processor's time
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic"]  # fmt: skip


def installed() -> str | None:
    """Path of an installed Chromium; None leaves the choice to Playwright."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def install() -> None:
    if installed():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        fonts = ["fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji"]
        apt = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        subprocess.run([*apt, "chromium-headless-shell", *fonts], check=True)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    install()
