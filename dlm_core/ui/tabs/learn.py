"""The Learn tab: how text diffusion works, in seven beats over recorded runs.  Everything happens in the page."""

from dlm_core.gallery import FOLDER
from dlm_core.ui import words
from dlm_core.ui.player import learn


def build() -> None:
    """Lay the tab out inside the current Blocks."""
    around = next(preset for preset in words.PRESETS if preset["name"] == "around")
    learn(FOLDER, "learn", {name: value for name, value in around.items() if name not in ("name", "pins")})
