import pytest

from dlm_core.training.report import replace_between_markers

FILE = "one\n<!-- measured: printed by make bench -->\n\nold\n\n<!-- /measured -->\ntwo\n"


def test_what_was_measured_again_replaces_what_stood_there_and_nothing_else(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(FILE, encoding="utf-8")
    replace_between_markers(path, "make bench", "new\n")
    assert path.read_text(encoding="utf-8") == FILE.replace("old", "new")


@pytest.mark.parametrize("text", ["nothing", FILE.partition("old")[0]])
def test_a_file_without_a_place_for_it_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"printed by make bench.*put them where the tables belong"):
        replace_between_markers(path, "make bench", "new")
    assert path.read_text(encoding="utf-8") == text
