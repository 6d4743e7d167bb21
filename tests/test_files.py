"""Files that the server keeps for visitors and programs: no longer than they are needed."""

import time
from pathlib import Path

import httpx
from gradio_client import Client
from visitor import Server

from dlm_core.ui.page import DELETE_FILES

# the page, whose files are old after a second
SOON = """
import dlm_core.ui.page as page
page.DELETE_FILES = (1, 1)
import app
app.main()
"""


def test_what_was_uploaded_and_what_a_program_was_given_is_deleted_from_the_servers_disk(trace, tmp_path):
    disk, script, mine = tmp_path / "disk", tmp_path / "soon.py", tmp_path / "mine.run.jsonl.gz"
    disk.mkdir()
    script.write_text(SOON, encoding="utf-8")
    trace.save(mine)
    server = Server(str(script), GRADIO_TEMP_DIR=str(disk / "gradio"), TMPDIR=str(disk))
    try:
        before = {path for path in disk.rglob("*") if path.is_file()}
        client = Client(server.url, verbose=False, download_files=False)
        run = client.predict("The cat", "llada", 4, 8, 0.7, 1, api_name="/write")[2]
        client.close()
        with mine.open("rb") as file:
            (sent,) = httpx.post(f"{server.url}/gradio_api/upload", files={"files": file}).json()
        for path in (run["path"], sent):
            assert Path(path).is_relative_to(disk)
            deadline = time.monotonic() + 60
            while Path(path).exists():  # not asked of the server: a file may go while it is being sent
                httpx.get(server.url)
                assert time.monotonic() < deadline, f"{path} is still there"
        assert {path for path in disk.rglob("*") if path.is_file()} <= before
    finally:
        server.close()


def test_files_live_long_enough_to_be_fetched_and_not_for_days():
    every, age = DELETE_FILES
    assert every <= age
    assert 10 * 60 <= age <= 24 * 3600
