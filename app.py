"""Unmask's page: builds the Gradio Blocks and launches.  Wiring only.

PORT and HOST choose where it listens; UNMASK_MODELS lists the models of its menu and UNMASK_MODEL the one it starts
with (`dlm_core/library.py`); UNMASK_MAX_... are the limits of `dlm_core/limits.py`.  With UNMASK_ENGINE, the address of
`python -m dlm_core.serve`, no model is loaded here.
"""

import os
import sys

import dlm_core.zerogpu as zerogpu
from dlm_core.library import Choice, Library, choices
from dlm_core.limits import Limits
from dlm_core.proxies import EVERYWHERE, without_proxy
from dlm_core.remote import RemoteEngine
from dlm_core.ui.page import build_page, launch_options, queue_options


def elsewhere(address: str, limits: Limits) -> Library:
    """A library of the one model that an engine on other machines has; a wrong address is a ValueError."""
    remote = RemoteEngine(address)
    there = Choice(remote.about().name or address, address)
    return Library([there], limits, load=lambda *_, **__: remote, open=lambda engine, *_: engine)


def main() -> None:
    """Serve the page until interrupted."""
    address = os.environ.get("UNMASK_ENGINE", "").strip()
    try:
        limits = Limits.of(os.environ)
        if address:
            library = elsewhere(address, limits)
        else:
            offered = choices(os.environ)
            library = Library(offered[:1] if zerogpu.LENT else offered, limits)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    library.start()  # if the model cannot be loaded the recorded run still plays, and Generate says what is wrong
    on_space = "SPACE_ID" in os.environ
    page = build_page(library).queue(**queue_options(limits))
    with without_proxy(EVERYWHERE):  # Gradio asks its own page whether it is there
        page.launch(
            server_name=os.environ.get("HOST", "0.0.0.0" if on_space else "127.0.0.1"),
            server_port=int(os.environ.get("PORT", 7860)),
            prevent_thread_lock=True,
            **launch_options(limits),
        )
    page.block_thread()


if __name__ == "__main__":
    main()
