"""The page, served until it is interrupted: the environment read and checked, the model loaded, Gradio launched.

PORT and HOST choose where it listens (`dlm_core/engine/listen.py`); UNMASK_MODELS lists the models of its menu and
UNMASK_MODEL the one it starts with (`dlm_core/engine/library.py`); UNMASK_MAX_... are the limits of
`dlm_core/engine/limits.py`.  With UNMASK_ENGINE, the address of `python -m dlm_core.serve`, no model is loaded here.
"""

import os
import sys
from typing import NoReturn

import dlm_core.engine.zerogpu as zerogpu
from dlm_core.engine.library import Library, ModelSource, sources_from_environment
from dlm_core.engine.limits import Limits
from dlm_core.engine.listen import address, refuse_taken
from dlm_core.engine.remote import RemoteEngine
from dlm_core.proxies import EVERYWHERE, without_proxy
from dlm_core.unicode import utf8_output, well_formed


def elsewhere(url: str, limits: Limits) -> Library:
    """Return a library of the one model that an engine on other machines has; a wrong address is a ValueError."""
    remote = RemoteEngine(url)
    there = ModelSource(remote.about().name or url, url)
    return Library([there], limits, load=lambda *_, **__: remote, open=lambda engine, *_: engine)


def refuse(error: Exception | str) -> NoReturn:
    """End with one sentence and exit code 2."""
    print(f"error: {well_formed(str(error))}", file=sys.stderr)
    sys.exit(2)


def serve() -> None:
    """Serve the page until interrupted."""
    utf8_output()
    url = os.environ.get("UNMASK_ENGINE", "").strip()
    try:
        host, port = address(os.environ)
        refuse_taken(host, port)
        limits = Limits.of(os.environ)
        if url:
            library = elsewhere(url, limits)
        else:
            offered = sources_from_environment(os.environ)
            library = Library(offered[:1] if zerogpu.ON_ZEROGPU else offered, limits)
    except ValueError as error:
        refuse(error)
    from dlm_core.ui.page import build_page, launch_options, queue_options  # Gradio, once its variables are checked

    library.start()  # if the model cannot be loaded the recorded run still plays, and Generate says what is wrong
    page = build_page(library).queue(**queue_options(limits))
    try:
        with without_proxy(EVERYWHERE):  # Gradio asks its own page whether it is there
            page.launch(server_name=host, server_port=port, prevent_thread_lock=True, **launch_options(limits))
    except OSError:  # while the model was loaded
        refuse(f"another program listens on {host}:{port} by now: set HOST and PORT to others")
    page.block_thread()
