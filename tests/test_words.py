"""The words of the page: every language has them, every one is used, and none is written anywhere else."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from gradio.i18n import I18nData

from dlm_core.bundle import settings_line
from dlm_core.engine import About
from dlm_core.figures import (
    HeatmapData,
    ProgressData,
    plot_heatmap,
    plot_progress,
    plot_schedule,
    plot_tradeoff,
    schedule_data,
    tradeoff_data,
)  # fmt: skip
from dlm_core.gallery import cards
from dlm_core.policies import POLICIES, parameters
from dlm_core.ui import words
from dlm_core.ui.controls import starting_value
from dlm_core.words import english, languages, names_below

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "assets/player").rglob("*.js"))
MARKUP = sorted((ROOT / "assets/player").glob("*.html"))
MODULES = sorted((ROOT / "dlm_core").rglob("*.py"))
KEY = r"[a-z]+(?:\.[\w-]+)+"
OTHERS = [code for code in languages() if code != "en"]


def filled(sentence):
    return sorted(re.findall(r"%?\{[\w:.]+\}", sentence))


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_same_keys_and_fills_in_the_same_names(code):
    translation, original = languages()[code], languages()["en"]
    assert list(translation) == list(original), "the same keys in the same order"
    assert all(filled(translation[key]) == filled(original[key]) for key in original), [
        key for key in original if filled(translation[key]) != filled(original[key])
    ]
    assert [key for key in original if bool(original[key]) != bool(translation[key].strip())] == []


def test_no_sentence_would_be_taken_for_a_pattern_by_gradio():
    """Gradio reads labels as ICU messages, in which braces, angles and lone quotes before them are syntax."""
    for code, sentences in languages().items():
        for key in labels():
            assert not re.search(r"[{}<>]", sentences[key]), (code, key)


def labels():
    """The keys that Gradio's components show."""
    found = set()

    def look(value):
        if isinstance(value, I18nData):
            found.add(value.key)
        elif isinstance(value, dict):
            for one in value.values():
                look(one)
        elif isinstance(value, tuple):
            for one in value:
                look(one)

    for name in ("POLICIES", "TABS", "SETTINGS", "CONTROLS"):
        look(getattr(words, name))
    for module in MODULES:
        found |= set(re.findall(rf"[\"']({KEY})[\"']", module.read_text(encoding="utf-8"))) & set(languages()["en"])
    return {key for key in found if not key.startswith(("figures.", "link.", "race.", "compare.", "models."))}


def patterns():
    """Every key that the sources name; what is filled in while the page runs stands for one name of a key."""
    told = set()
    for file in [*SCRIPTS, *MARKUP, *MODULES]:
        text = file.read_text(encoding="utf-8")
        told |= set(re.findall(rf"[\"']({KEY})[\"']", text))
        for template in re.findall(r"`([^`\n]*)`|f\"([^\"\n]*)\"", text):
            literal = re.sub(r"\$?\{[^{}]*\}", "\0", "".join(template))
            if re.fullmatch(r"[\w\0-]+(?:\.[\w\0-]+)+", literal) and literal.replace("\0", "").strip("._"):
                told.add(literal)
    return [re.compile(r"[\w-]+".join(map(re.escape, one.split("\0")))) for one in told]


def of_parameters():
    """The keys of every parameter of every policy, with or without a control."""
    found = set()
    for one in (one for policy in POLICIES for one in parameters(policy).values()):
        found |= {f"{one.key}.label", f"{one.key}.info"}
        found |= {f"{one.key}.choices.{choice}" for choice in one.choices if one.kind == "choice"}
    return found


def test_every_policy_and_every_parameter_and_every_choice_has_words_in_every_language():
    wanted = of_parameters() | {f"policies.{name}.{what}" for name in POLICIES for what in ("title", "about")}
    for code, sentences in languages().items():
        assert {key for key in wanted if not sentences.get(key)} == set(), code
    assert set(names_below("policies")) == set(POLICIES), "no words of a policy that is not there"


def test_parameters_that_share_words_are_the_same_kind_of_thing():
    """A label that is right for one policy can be a lie for another: then the description has other words."""
    meant = {}
    for policy in POLICIES:
        for one in parameters(policy).values():
            what = (
                one.kind,
                one.unit,
                one.optional,
                one.minimum,
                one.exclusive_minimum,
                one.maximum,
                one.exclusive_maximum,
            )
            assert meant.setdefault(one.key, what) == what, (policy, one.name)


def test_no_key_is_unused():
    known, shown = patterns(), labels() | of_parameters()
    assert [key for key in languages()["en"] if key not in shown and not any(one.fullmatch(key) for one in known)] == []


def test_no_script_or_markup_asks_for_a_key_that_is_not_there():
    asked = set()
    for file in SCRIPTS:
        asked |= set(re.findall(rf"phrase\(\"({KEY})\"", file.read_text(encoding="utf-8")))
        asked |= set(re.findall(rf"\? \"({KEY})\" : \"", file.read_text(encoding="utf-8")))
    for file in MARKUP:
        asked |= set(re.findall(r"data-word(?:-label|-title)?=\"([^\"]+)\"", file.read_text(encoding="utf-8")))
    assert asked - set(languages()["en"]) == set()
    assert len(asked) > 200


class Visible(HTMLParser):
    """The text and the accessible names of markup."""

    def __init__(self):
        super().__init__()
        self.said = []

    def handle_starttag(self, tag, attrs):
        self.said += [value for name, value in attrs if name in ("title", "aria-label", "placeholder", "alt")]

    def handle_data(self, data):
        self.said.append(data)


@pytest.mark.parametrize("file", MARKUP, ids=lambda file: file.name)
def test_markup_has_no_words_of_its_own(file):
    reader = Visible()
    reader.feed(file.read_text(encoding="utf-8"))
    said = [text.strip() for text in reader.said if re.search(r"[^\W\d_]{2,}", text)]
    assert [text for text in said if not text.startswith(".")] == [], "only the endings of files"


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_scripts_have_no_sentences_of_their_own(file):
    """A literal with two words in a row, or one put where people read it, belongs into the files of words."""
    code = re.sub(r"^\s*//.*$|(?<=\s)// .*$", "", file.read_text(encoding="utf-8"), flags=re.M)
    literals = re.findall(r"\"((?:[^\"\\\n]|\\.)*)\"", code)
    literals += [re.sub(r"\$\{[^`]*?\}", " ", text) for text in re.findall(r"`((?:[^`\\]|\\.)*)`", code)]
    sentences = [text for text in literals if re.search(r"[a-zA-Z]{2,} [a-z]{2,} [a-z]{2,}|^[A-Z][a-z]+ [a-z]+", text)]
    assert [text for text in sentences if "prefers-" not in text] == []
    shown = re.findall(r"(?:textContent|title|ariaLabel|aria-label\") ?[=,] \"([^\"]*[a-z]{2,}[^\"]*)\"", code)
    shown += re.findall(r"\btext\(\"\w+\", \"([^\"]+)\"", code)
    assert shown == []


def test_every_visible_word_of_a_figure_is_one_the_page_can_translate():
    numbers = {"forwards": 1, "tokens_per_second": 2.0, "autoregressive_nll": 0.1, "pseudo_nll": 0.1}
    side = type("Side", (), numbers)()
    figures = [
        plot_heatmap(HeatmapData([], [], []), "confidence"), plot_progress(ProgressData([1], [1.0])),
        plot_schedule(schedule_data([0.0], [1.0], [None])), plot_tradeoff(tradeoff_data([side], side)),
    ]  # fmt: skip
    known = {sentence for key, sentence in languages()["en"].items() if key.startswith("figures.")}
    told = set()
    for figure in (json.loads(figure.to_json()) for figure in figures):
        told |= {trace.get("name") for trace in figure["data"] if figure["layout"]["showlegend"]}
        told |= {trace["hovertemplate"] for trace in figure["data"] if "hovertemplate" in trace}
        told |= {axis["title"]["text"] for name, axis in figure["layout"].items() if "axis" in name}
    assert told <= known, told - known


def test_every_recorded_run_and_every_control_has_words():
    for card in cards():
        assert english(f"runs.recorded.{card['name']}.title")
    for controls in words.CONTROLS.values():
        for control in controls.values():
            assert control.parameter.kind in ("integer", "number", "boolean", "choice"), "there is no other control"
    with pytest.raises(KeyError):
        words.label("page.nothing")
    with pytest.raises(KeyError):
        words.message("page.nothing")


def test_a_policy_is_told_in_two_sentences_and_where_it_comes_from():
    for code, sentences in languages().items():
        for name in names_below("policies"):
            told = re.split(r"(?<=\.)\s+|(?<=。)(?=.)", sentences[f"policies.{name}.about"])
            assert len(told) == (2 if name == "left_to_right" else 3), (code, name, told)


def test_a_number_starts_where_its_control_says_that_it_makes_sense():
    for policy, controls in words.CONTROLS.items():
        for name, control in controls.items():
            least, most = control.parameter.increments_within
            value = starting_value(policy, name, About())
            if least is not None and value is not None:
                assert least <= value <= (value if most is None else most), (policy, name, value)


def test_words_cannot_end_the_script_they_stand_in():
    assert "<" not in settings_line()
