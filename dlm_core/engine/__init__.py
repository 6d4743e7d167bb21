"""What serves a run: a request in, run-file lines out.  A caller needs these names and no others.

`LocalEngine` works in this process, `RemoteEngine` of `dlm_core.engine.remote` asks one elsewhere; `Library` holds one
engine for each model of the menu.
"""

from dlm_core.engine.describe import About, about, policies_for
from dlm_core.engine.interface import Engine, Run
from dlm_core.engine.local import LocalEngine
from dlm_core.engine.planning import AUTOREGRESSIVE, TOP_K, Decoder, Plan, decoder, plan, require_int
from dlm_core.engine.request import MAX_SEED, Request
from dlm_core.engine.unavailable import UnavailableEngine, unmeasured

__all__ = [
    "AUTOREGRESSIVE", "MAX_SEED", "TOP_K", "About", "Decoder", "Engine", "LocalEngine", "Plan", "Request", "Run",
    "UnavailableEngine", "about", "decoder", "plan", "policies_for", "require_int", "unmeasured",
]  # fmt: skip
