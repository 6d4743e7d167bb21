"""The same run from code: Python, curl and JavaScript, filled with what the controls show."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

import gradio as gr

from dlm_core.engine import Engine, Request
from dlm_core.lines import dumps
from dlm_core.policies.parameter import EXACT
from dlm_core.ui import controls, words
from dlm_core.ui.player import programs

_PYTHON = """\
from gradio_client import Client

client = Client({url})
settings = {settings}
job = client.submit(**settings, api_name="/denoise")
for step in job:
    print(step["index"], step["text"])
job.result()  # raises what was wrong, if anything was
"""
_CURL = """\
ID=$(curl -s {url}/gradio_api/call/v2/denoise -H 'Content-Type: application/json' \\
  -d {settings} | sed 's/.*"event_id": *"//; s/".*//')
curl -sN {url}/gradio_api/call/denoise/$ID
"""
_JAVASCRIPT = """\
const base = {url} + "/gradio_api/call/";
const settings = {settings};
const response = await fetch(base + "v2/denoise", {{
  method: "POST", headers: {{ "Content-Type": "application/json" }}, body: JSON.stringify(settings),
}});
const {{ event_id }} = await response.json();
const events = (await fetch(base + "denoise/" + event_id)).body.pipeThrough(new TextDecoderStream()).getReader();
let text = "", steps = [];
for (let part = await events.read(); !part.done; part = await events.read()) {{
  const lines = (text += part.value).split("\\n");
  text = lines.pop();
  for (const line of lines) if (line.startsWith("data: [")) steps.push(JSON.parse(line.slice(6))[0]);
}}
console.log(steps);
"""


def settings_of(request: Request) -> dict[str, Any]:
    """Return a request as the arguments of `/denoise`."""
    params = dict(request.params)
    pins = " ".join(f"{position}:{word}" for position, word in request.pins.items())
    more = {"model": request.model, "conversation": list(request.conversation), "cache": request.cache, "pins": pins}
    return {
        "prompt": request.prompt, "policy": request.policy, "length": request.length,
        "block_length": request.block_length, "seed": request.seed, "params": params,
    } | {name: value for name, value in more.items() if value}  # fmt: skip


def snippets(url: str, request: Request) -> list[str]:
    """Return Python, curl and JavaScript that run `request` on the page at `url`."""
    settings = settings_of(request)
    text = json.dumps(settings, ensure_ascii=False)
    # a number of JavaScript's would be rounded, so there a long seed is the text of its digits
    long = isinstance(request.seed, int) and request.seed > EXACT
    exact = settings | ({"seed": str(request.seed)} if long else {})
    return [
        _PYTHON.format(url=repr(url), settings=repr(settings)),
        _CURL.format(url=shlex.quote(url), settings=shlex.quote(text)),
        _JAVASCRIPT.format(url=json.dumps(url), settings=json.dumps(exact, ensure_ascii=False)),
    ]


def build(engine: Engine, inputs: Sequence[gr.components.Component], using: gr.State, many: bool) -> None:
    """Lay the disclosure out inside the current Blocks; `inputs` are the prompt, the policy and every setting.

    `using` is the model that the page uses, which is named where there are `many`.
    """
    with gr.Accordion(words.label("code.title"), open=False, elem_id="code") as panel:
        shown = programs(words.LANGUAGES, elem_id="programs")
    names = (*controls.PLAIN, *words.NAMES)
    root = gr.Textbox(visible=False)  # never shown: only the browser knows the address that the page has there

    def on_look(url: str, model: str, prompt: str, policy: str, *values: Any) -> str:
        settings, about = dict(zip(names, values)), engine.about(model)
        return dumps(snippets(url, controls.request_of(prompt, policy, settings, about, model if many else None)))

    changes = [control.change for control in inputs[1:]]
    gr.on(
        [panel.expand, inputs[0].blur, *changes], on_look, [root, using, *inputs], shown, queue=False,
        js="async (_, ...settings) => [(await import('unmask')).address(), ...settings]",
        trigger_mode="always_last", show_progress="hidden", api_visibility="private",
    )  # fmt: skip
