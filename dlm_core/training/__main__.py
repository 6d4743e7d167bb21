"""Train from the command line: `python -m dlm_core.training [story] --corpus FOLDER`, or `... sudoku`."""

import sys

from dlm_core.training import sudoku, train

TASKS = {"story": train.main, "sudoku": sudoku.main}

task = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in TASKS else "story"
TASKS[task]()
