"""Unmask's page: builds the Gradio Blocks and launches.  Wiring only.

PORT and HOST choose where it listens; UNMASK_MODEL is "bundled", a folder, or owner/name on the hub; UNMASK_MAX_... are
the limits of `dlm_core/limits.py`.  With UNMASK_ENGINE, the address of `python -m dlm_core.serve`, no model is loaded.
"""

import os
import sys

from dlm_core.engine import BrokenEngine, LocalEngine
from dlm_core.limits import Limits
from dlm_core.models import ModelError, load_model
from dlm_core.remote import RemoteEngine
from dlm_core.ui.page import build_page, launch_options, queue_options


def main() -> None:
    """Serve the page until interrupted."""
    name, address = os.environ.get("UNMASK_MODEL", "bundled"), os.environ.get("UNMASK_ENGINE", "").strip()
    try:
        limits = Limits.of(os.environ)
        remote = RemoteEngine(address) if address else None
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        engine = remote or LocalEngine(load_model(name), limits)
        name = remote.about().name or address if remote else name
    except ModelError as error:  # the recorded run still plays, and Generate says what is wrong
        engine = BrokenEngine(str(error))
    on_space = "SPACE_ID" in os.environ
    build_page(engine, [os.path.basename(name)]).queue(**queue_options(limits)).launch(
        server_name=os.environ.get("HOST", "0.0.0.0" if on_space else "127.0.0.1"),
        server_port=int(os.environ.get("PORT", 7860)),
        **launch_options(limits),
    )


if __name__ == "__main__":
    main()
