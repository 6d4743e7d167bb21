"""`python -m dlm_core.serve --replicas 2`."""

import sys

from dlm_core.engine.cluster.deploy import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
