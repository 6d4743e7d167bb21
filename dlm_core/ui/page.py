"""The whole page as a `gr.Blocks`, and what `launch()` needs to show it."""

from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from dlm_core.bundle import page_script
from dlm_core.conversation import validate, with_system
from dlm_core.engine import Engine, Request
from dlm_core.engine.edit import parse_pins
from dlm_core.engine.library import Library
from dlm_core.engine.limits import Limits
from dlm_core.export import CARD, LANGUAGES, css, first_paint
from dlm_core.gallery import OPENING, file_of
from dlm_core.lines import is_waiting
from dlm_core.policies import parameters
from dlm_core.reasons import NO_REASON, Reason
from dlm_core.trace import Trace
from dlm_core.ui import code, link, models, reopening, streams, words
from dlm_core.ui.compat import session
from dlm_core.ui.compat.calls import EXCEPTION_HANDLERS
from dlm_core.ui.compat.early import KeptFile, LinkCard, PageScriptMiddleware
from dlm_core.ui.player import branches, masthead, opening, plotly
from dlm_core.ui.tabs import compare, denoise, edit, learn, noise, puzzle, race, runs
from dlm_core.unicode import well_formed
from dlm_core.words import english

MASTHEAD = f"""<header id="masthead"><h1 data-word="page.title"></h1><p data-word="page.tagline"></p>
<button type="button" id="help-open" aria-keyshortcuts="?" data-word="help.title"></button>
{LANGUAGES}</header>"""
RECORDED = file_of(OPENING)
# Gradio keeps what a visitor uploads or a program is given until it deletes it.  An upload is read at once
# and a result is fetched right after its run, so an hour is plenty: seconds from one look to the next, and of age.
DELETE_FILES = (600, 3600)
SPARE_THREADS = 40  # who waits holds a thread; these are for everything else


def build_page(library: Library, recorded: Path = RECORDED) -> gr.Blocks:
    """Return the page over the models that an operator offers."""
    session.keep_component_ids()
    stops = streams.StopSignals()  # of what plays in the player, whichever tab began it
    with gr.Blocks(title=english("page.title"), analytics_enabled=False, delete_cache=DELETE_FILES) as page:
        with gr.Row(elem_id="top"):
            head = masthead(MASTHEAD)
            menu = models.build(library)
        # on a phone the tabs stand in two rows: a menu of those that do not fit would hide most of them
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            with gr.Tab(words.TABS["tab-denoise"], elem_id="tab-denoise"):
                first = denoise.build(library, recorded, stops, menu.using)
                tree = branches("branches")
                code.build(library, first.controls, menu.using, many=len(library.names) > 1)
            with gr.Tab(words.TABS["tab-learn"], elem_id="tab-learn"):
                learn.build()
            with gr.Tab(words.TABS["tab-edit"], elem_id="tab-edit"):
                edited = edit.build(library, first.player, tree, stops, menu.using)
            with gr.Tab(words.TABS["tab-compare"], elem_id="tab-compare"):
                compared = compare.build(library, menu.using)
            with gr.Tab(words.TABS["tab-race"], elem_id="tab-race"):
                raced = race.build(library, menu.using)
            with gr.Tab(words.TABS["tab-noise"], elem_id="tab-noise") as tab:
                noised = noise.build(library, tab, first.player, stops, menu.using)
            with gr.Tab(words.TABS["tab-puzzle"], elem_id="tab-puzzle"):
                puzzle.build(library.limits)
            with gr.Tab(words.TABS["tab-runs"], elem_id="tab-runs"):
                runs.build(library, compared)
        dependents = [first.dependent, edited, compared.dependent, raced, noised]
        shown = models.connect(page, library, menu, first.controls[0], dependents)
        controls = reopening.kept(page, but=[menu.choose])
        reopening.leave(head, controls + ([menu.choose] if len(library.names) > 1 else []))
        first.apply_link(shown.then, partial(link.opening, engine=library), partial(reopening.come_back, controls))
        page.load(None, None, first.generate, js=reopening.READY, api_visibility="private")
        gr.api(_denoise_api(library), api_name="denoise")
        gr.api(_write_api(library), api_name="write")
        gr.api(_policies_api(library), api_name="policies")
    return page


def _denoise_api(engine: Engine) -> Any:
    def denoise(
        prompt: str = "", policy: str = "llada", steps: int | None = None, length: int = 96,
        block_length: int | None = None, temperature: float | None = None, seed: int = 0,
        params: dict | None = None, model: str | None = None, system: str | None = None,
        conversation: list[dict] | None = None, cache: str | None = None, pins: str = "",
    ) -> Iterator[dict]:  # fmt: skip
        """Denoise a prompt; yield one dict per step: index, forwards, seconds, text so far, and what was written when.

        `steps` and `temperature` are understood by every policy; left out, they are as the model's authors have them,
        else the policy's own, and steps are at most the length.  `params` are parameters of the policy by name, which
        `/policies` lists with their ranges; `model` is one of the page's menu that is loaded.  For a model that chats,
        `conversation` are the questions and answers before the prompt, as messages of a role ("user", "assistant") and
        a content, and `system` stands before them; the text is then the answer.  `cache` "prefix" or "dual" has the
        model approximate.  `pins` are words that stand fixed, each after its position behind the prompt and a colon:
        "12:dragon 30:rain".
        """
        for trace in _growing(
            engine, prompt, policy, length, block_length, seed, _given(params, steps=steps, temperature=temperature),
            model, system, conversation, cache, pins,
        ):  # fmt: skip
            if trace.steps and trace.totals is None:
                yield step_dict(trace)

    return denoise


def _write_api(engine: Engine) -> Any:
    def write(
        prompt: str = "", policy: str = "llada", steps: int | None = None, length: int = 96,
        temperature: float | None = None, seed: int = 0,
    ) -> tuple[str, str, gr.FileData]:  # fmt: skip
        """Let the diffusion language model write on from a prompt.

        Args:
            prompt: what the text begins with
            policy: which masks open when, such as "llada", "threshold" or "p2"
            steps: forward passes; fewer is rougher, and left out it is the policy's own number, at most the length
            length: tokens to write
            temperature: 0 takes the likeliest token, more is bolder; left out it is the policy's own
            seed: the same seed repeats the run

        Returns:
            The text, a one-line summary, and the run file that the page replays, which is there for an hour.
        """
        given = _given(None, steps=steps, temperature=temperature)
        *_, trace = _growing(engine, prompt, policy, length, None, seed, given)
        # among Gradio's own files, which are deleted in time
        path = save_bytes_to_cache(trace.packed(), "run.run.jsonl.gz", get_upload_folder())
        return trace.text(), trace.summary(), gr.FileData(path=path)

    return write


def _policies_api(engine: Engine) -> Any:
    def policies() -> dict:
        """List the policies that suit the model, and for each its title and its parameters as JSON Schemas."""
        return {
            name: {"title": english(f"policies.{name}.title"), "about": english(f"policies.{name}.about")}
            | {"parameters": {one: schema(name, one) for one in parameters(name)}}
            for name in engine.about().policies
        }

    return policies


def schema(policy: str, name: str) -> dict[str, Any]:
    """Return a parameter as a JSON Schema, with what it is in a sentence."""
    one = parameters(policy)[name]
    return {"description": english(f"{one.key}.info")} | one.schema()


def _given(params: Any, **more: Any) -> Any:
    """Return the parameters of a request: those of `more` that are set, and those given by name.

    A name that is given twice, as itself or by another name, is refused with the rest, where they are checked.
    """
    more = {name: value for name, value in more.items() if value is not None}
    if params is None or (isinstance(params, Mapping) and not more.keys() & params.keys()):
        return {**(params or {}), **more}
    if isinstance(params, Mapping):
        twice = min(more.keys() & params.keys())
        raise _refused(f"{twice} is given twice, as itself and in params: give one of them")
    return params


def _refused(reason: object) -> gr.Error:
    """Return what a program gets in place of an answer; it is the caller's to read, and no traceback in the log."""
    return gr.Error(well_formed(f"{reason}."), print_exception=False)


def _growing(
    engine: Engine, prompt: str, policy: str, length: int, block_length: int | None, seed: int,
    params: dict[str, Any], model: str | None = None, system: str | None = None,
    conversation: list[dict] | None = None, cache: Any = None, pins: str = "",
) -> Iterator[Trace]:  # fmt: skip
    """Yield the run after each of its lines; a wrong request is a `gr.Error` of one sentence."""
    try:
        messages = with_system(system, validate(conversation or []))
        request = Request(
            prompt or "",
            policy,
            length,
            block_length or None,
            seed,
            params,
            model=model,
            cache=cache,
            conversation=messages,
            pins=parse_pins(pins),
        )
        run = engine.run(request)
    except ValueError as error:
        raise _refused(error) from error
    for line in run:
        if not is_waiting(line):
            yield run.trace
    if run.trace.outcome == "error":
        raise _refused(run.trace.message)


def step_dict(trace: Trace) -> dict[str, Any]:
    """Return a run's newest step as a program gets it."""
    step = trace.steps[-1]
    written = [
        {
            "position": int(i),
            "token_id": int(step.left[i]),
            "confidence": round(float(step.confidence[i]), 4),
            "reason": None if step.reason[i] == NO_REASON else Reason(step.reason[i]).key,
        }
        for i in step.written.nonzero()[0]
    ]
    return {
        "index": step.index, "forwards": step.forwards, "seconds": step.seconds, "masks_left": trace.masks_left()[-1],
        "written": written, "blanked": step.blanked.nonzero()[0].tolist(), "step_map": trace.step_map(),
        "text": trace.text(),
    }  # fmt: skip


def queue_options(limits: Limits) -> dict[str, Any]:
    """Return options for Gradio's queue, which takes all at once: waiting is the engine's, which reports the place."""
    return {"default_concurrency_limit": limits.queue + 1, "max_size": limits.queue + 1}


def launch_options(limits: Limits) -> dict[str, Any]:
    """Return options of the one `launch()` call: looks, and nothing enabled that the page does not need."""
    system = ["Inter", "system-ui", "sans-serif"]
    picture = KeptFile("card", CARD.read_bytes(), "png")
    card = LinkCard(english("page.title"), english("page.about"), picture)
    front = Middleware(
        PageScriptMiddleware, script=page_script(), others=[plotly()], early=[opening(RECORDED)], paint=first_paint(),
        card=card,
    )  # fmt: skip
    return {
        "css": css(),
        "i18n": words.translations(),
        "app_kwargs": {"middleware": [front], "exception_handlers": EXCEPTION_HANDLERS},
        "theme": gr.themes.Base(font=system, font_mono=["ui-monospace", "monospace"]),
        "footer_links": ["api"],
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": limits.upload * 2**20,
        "state_session_capacity": limits.sessions,
        "max_threads": limits.queue + SPARE_THREADS,
        "mcp_server": find_spec("mcp") is not None,  # `pip install "gradio[mcp]"` makes the API a set of MCP tools
    }
