"""What the system says: in its files, and by its commands. The answer is empty where the system has none."""

import os
import subprocess
from pathlib import Path


def file(path: Path | str) -> str:
    """Return what a file says."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def command(*words: str) -> str:
    """Return what a command prints, in English."""
    english = os.environ | {"LC_ALL": "C"}
    try:
        return subprocess.run(words, env=english, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
