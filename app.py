"""Unmask's page, where a Space and `make run` look for it.  Wiring only: `dlm_core/launch.py` says how it is set."""

from dlm_core.launch import serve as main

if __name__ == "__main__":
    main()
