"""Train from the command line: `python -m dlm_core.training --corpus FOLDER`."""

from dlm_core.training.train import main

main()
