"""The models that an operator offers: what is listed, what is in memory, and what a page is told meanwhile."""

import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from stand_ins import ODD

from dlm_core.engine import About, Request, UnavailableEngine
from dlm_core.engine.library import Library, ModelSource, sources_from_environment
from dlm_core.engine.limits import Limits
from dlm_core.models import Cancelled, ModelError, Progress
from dlm_core.trace import Trace


class Shelf:
    """Stands for the loader: loads a name when it is let, tells how far it is, keeps what was asked of it."""

    def __init__(self):
        self.asked, self.let, self.begun = [], threading.Event(), threading.Event()
        self.let.set()

    def load(self, source, *, revision, on_progress):
        self.asked.append((source, revision))
        self.begun.set()
        for done in range(1000):
            on_progress(Progress("read", done, 1000, 0, 1))
            if self.let.wait(0.01):
                break
        if source == "broken":
            raise ModelError("the model 'broken' needs more memory than there is: choose a smaller model")
        if source == "strange":
            raise RuntimeError("a\nlong story")
        return SimpleNamespace(name=source)


class Engine:
    """Stands for the engine of a model: says which one it is."""

    def __init__(self, model, limits, line):
        self.model, self.line = model, line

    def about(self, model=None):
        return About(self.model.name, "r1")

    def run(self, request, stop=None):
        return iter([self.model.name])

    def pseudo_likelihood(self, trace):
        return np.ones(3)


def library(shelf, *names, **limits):
    return Library([ModelSource(name, name) for name in names], Limits(**limits), load=shelf.load, open=Engine)


def ask(name=None):
    return SimpleNamespace(model=name)


@pytest.fixture
def shelf():
    return Shelf()


def test_the_first_model_is_there_at_the_start_and_the_others_are_only_offered(shelf):
    books = library(shelf, "a", "b")
    books.start()
    assert [(entry.name, entry.loaded) for entry in books.offers()] == [("a", True), ("b", False)]
    assert shelf.asked == [("a", None)]
    assert books.about().name == "a"


def test_choosing_a_model_puts_it_in_the_place_of_the_last_and_says_so_to_whoever_asks_for_that(shelf):
    books = library(shelf, "a", "b")
    books.start()
    held = books.run(ask("a"))
    list(books.bring("b"))
    assert list(books.run(ask())) == ["b"]
    with pytest.raises(ValueError, match="the model a is not in memory, b is: choose a in the menu to load it"):
        books.run(ask("a"))
    assert list(held) == ["a"]  # a run at work ends on its own model


def test_as_many_models_stay_as_the_operator_allows_and_the_one_used_longest_ago_goes(shelf):
    books = library(shelf, "a", "b", "c", models=2)
    books.start()
    list(books.bring("b"))
    books.run(ask("a"))
    list(books.bring("c"))
    assert [entry.name for entry in books.offers() if entry.loaded] == ["a", "c"]
    assert list(books.bring("a")) == []  # it is there
    assert len(shelf.asked) == 3


def test_while_a_model_is_loaded_the_page_has_the_one_it_had_and_others_are_told(shelf):
    books = library(shelf, "a", "b", "c")
    books.start()
    shelf.let.clear()
    way = books.bring("b")
    assert next(way).all_bytes in (0, 1000)
    assert books.loading()[0] == "b"
    assert list(books.run(ask("a"))) == ["a"]
    with pytest.raises(ValueError, match="the model b is being loaded, and only one can be"):
        books.bring("c")
    other = books.bring("b")  # a second visitor wants the same
    next(other)
    way.close()  # the first one leaves, so it goes on for the second
    shelf.let.set()
    list(other)
    assert books.about().name == "b"
    assert books.loading() is None
    assert shelf.asked == [("a", None), ("b", None)]


def test_a_loading_that_nobody_waits_for_any_more_is_given_up(shelf):
    books = library(shelf, "a", "b")
    books.start()
    shelf.let.clear()
    stop = threading.Event()
    way = books.bring("b", stop)
    next(way)
    stop.set()
    with pytest.raises(ValueError, match="the loading of b was cancelled"):
        list(way)
    assert books.loading() is None
    assert books.about().name == "a"
    shelf.let.set()
    list(books.bring("b"))
    assert books.about().name == "b"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken", "needs more memory.*While it is loaded a stays in memory: choose a small model first"),
        ("strange", r"the model strange could not be loaded \(RuntimeError\)"),
        ("<b>unknown", "is not offered here: choose one of a, broken, strange"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_the_page_keeps_its_model(shelf, name, told):
    books = library(shelf, "a", "broken", "strange")
    books.start()
    with pytest.raises(ValueError, match=told) as error:
        list(books.bring(name))
    assert "\n" not in str(error.value)
    assert books.about().name == "a"
    assert books.loading() is None


def test_a_page_whose_first_model_fails_says_why_until_another_is_chosen(shelf):
    books = library(shelf, "broken", "b")
    books.start()
    with pytest.raises(ValueError, match="needs more memory"):
        books.run(ask("broken"))
    with pytest.raises(ValueError, match="needs more memory"):
        books.run(ask())
    assert books.about().policies == UnavailableEngine("").about().policies
    list(books.bring("b"))
    assert list(books.run(ask("b"))) == ["b"]


def test_a_run_is_judged_by_the_model_that_wrote_it_or_not_at_all(shelf, trace):
    books = library(shelf, "a", "b")
    books.start()
    trace.header["model"] |= {"name": "a", "revision": "r1"}
    assert books.pseudo_likelihood(trace).tolist() == [1, 1, 1]
    trace.header["model"]["revision"] = "r2"
    assert np.isnan(books.pseudo_likelihood(trace)).all()
    trace.header["model"] |= {"name": "b", "revision": "r1"}
    assert np.isnan(books.autoregressive_likelihood(trace)).all()


def test_a_loading_is_no_error_that_a_handler_of_errors_could_swallow():
    assert not issubclass(Cancelled, Exception)


def test_an_operator_lists_what_is_offered_and_what_is_there_first(tmp_path, monkeypatch):
    folder = tmp_path / "my-model"
    folder.mkdir()
    assert sources_from_environment({}) == [ModelSource("bundled", "bundled")]
    environment = {"UNMASK_MODELS": f" bundled, owner/name@v1 ,{folder}", "UNMASK_MODEL": "owner/name@v1"}
    assert sources_from_environment(environment) == [
        ModelSource("owner/name", "owner/name", "v1"),
        ModelSource("bundled", "bundled"),
        ModelSource("my-model", str(folder)),
    ]
    assert [choice.name for choice in sources_from_environment({"UNMASK_MODEL": "/nowhere/x"})] == ["x", "bundled"]
    monkeypatch.setattr("dlm_core.engine.library.cached", lambda: ["owner/here", "owner/name"])
    assert [choice.name for choice in sources_from_environment({"UNMASK_MODELS": "bundled,cached"})] == [
        "bundled", "owner/here", "owner/name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("bundled@main", "the bundled model has no revisions, got 'main'"),
        ("owner/name@", "no revision after the @"),
        ("../../no-such-folder", "was not found"),
        ("a b", "was not found"),
        ("owner/name,owner/name@v1", "two models that are called owner/name"),
        ("GSAI-ML/iLLaDA-8B-Instruct", "start with UNMASK_REMOTE_CODE=1"),
        ("cached", "offers no model"),
    ],
)
def test_a_wrong_list_is_one_sentence_before_anything_is_loaded(listed, told, monkeypatch):
    monkeypatch.delenv("UNMASK_REMOTE_CODE", raising=False)
    monkeypatch.setattr("dlm_core.engine.library.cached", list)
    with pytest.raises(ValueError, match=told) as error:
        sources_from_environment({"UNMASK_MODELS": listed})
    assert "\n" not in str(error.value)


def test_a_models_folder_may_be_called_anything(saved, tmp_path):
    shutil.copytree(saved("A2D Qwen3"), folder := tmp_path / ODD / ODD)
    offered = sources_from_environment({"UNMASK_MODEL": str(folder), "UNMASK_MODELS": f"bundled,{folder}"})
    assert [choice.name for choice in offered] == [ODD, "bundled"]
    library = Library(offered, Limits())
    library.start()
    run = library.run(Request("x", length=8, model=ODD, params={"steps": 4}))
    assert Trace.parse("".join(run).encode()).header["model"]["name"] == library.about(ODD).name == ODD
