"""The player's modules joined into one script."""

import subprocess
from functools import partial

import pytest
from node import NODE

from dlm_core.bundle import in_order, join, page_script, replay_script, settings


def write(folder, **modules):
    for name, text in modules.items():
        path = folder / f"{name.replace('__', '/')}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_modules_come_after_those_that_they_import_and_each_once(tmp_path):
    write(
        tmp_path,
        base="export const base = 1;\n",
        view__one='import { base } from "../base.js";\n\nexport const one = base;\n',
        view__two='import { base } from "../base.js";\nimport {\n  one,\n} from "./one.js";\nconsole.log(base, one);\n',
    )
    assert in_order("view/two.js", folder=tmp_path) == ["base.js", "view/one.js", "view/two.js"]
    script = join("view/two.js", folder=tmp_path)
    assert "import" not in script
    assert "export" not in script
    ran = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, encoding="utf-8", check=True)
    assert ran.stdout.split() == ["1", "1"]


def test_the_last_entry_keeps_its_exports_where_they_are_wanted(tmp_path):
    write(
        tmp_path,
        a="export const a = 1;\n",
        b='import { a } from "./a.js";\n\nexport async function b() {\n  return a;\n}\n',
    )
    assert join("b.js", folder=tmp_path, exports=True).count("export ") == 1


@pytest.mark.parametrize(
    ("modules", "named"),
    [
        ({"a": "const same = 1;\n", "b": 'import { x } from "./a.js";\n\nfunction same() {}\n'}, "b.js declares same"),
        ({"a": 'import { b } from "./b.js";\n', "b": 'import { a } from "./a.js";\n'}, "b.js -> a.js -> b.js"),
        ({"b": 'import * as all from "./a.js";\n'}, "b.js: write"),
        ({"b": 'import { a } from "outside";\n'}, "b.js: write"),
        ({"b": "export default 1;\n"}, "b.js: write"),
        ({"b": "export { a };\n"}, "b.js: write"),
        ({"b": "const { a } = {};\n"}, "b.js: write"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(tmp_path, modules, named):
    write(tmp_path, **modules)
    with pytest.raises(ValueError, match=named):
        join("b.js", folder=tmp_path)


def test_a_renamed_import_is_refused(tmp_path):
    write(tmp_path, a="export const a = 1;\n", b='import { a as c } from "./a.js";\n\nconsole.log(c);\n')
    with pytest.raises(ValueError, match=r"b\.js: write"):
        join("b.js", folder=tmp_path)


@pytest.mark.parametrize("script", [page_script, partial(replay_script, "")])
def test_the_scripts_of_page_and_file_are_valid_modules(script, tmp_path):
    (tmp_path / "script.mjs").write_text(script(), encoding="utf-8")
    subprocess.run([NODE, "--check", tmp_path / "script.mjs"], check=True)


def test_a_script_in_a_page_cannot_end_itself():
    assert "</script" not in replay_script("")
    assert "<!--" not in replay_script("")


def test_settings_hold_every_language_and_the_limits_of_run_files():
    assert {"en", "zh-CN"} <= set(settings()["words"])
    assert all(isinstance(value, int) for value in settings()["limits"].values())


def test_a_file_that_replays_a_run_has_the_sentences_it_names_and_no_others():
    script = replay_script('<p data-word="replay.title">')
    assert '"replay.title":' in script
    assert '"player.step":' in script
    assert '"parameters.' not in script


def test_comments_stay_at_home(tmp_path):
    (tmp_path / "a.js").write_text(
        '// one\n/**\n * two\n */\nexport const a = "// kept"; // kept too\n', encoding="utf-8"
    )
    assert join("a.js", folder=tmp_path) == 'const a = "// kept"; // kept too\n'
