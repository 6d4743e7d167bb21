"""Find what the package brings beside its code: the bundled models, the player, the recorded runs and the words.

In a checkout they stand in `assets/`, next to the package; a wheel carries the same folder inside the package.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent
ASSETS = next(folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir())
