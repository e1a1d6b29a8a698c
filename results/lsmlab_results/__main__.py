"""Entry of `python3 -m lsmlab_results`."""

import sys

from lsmlab_results.cli import main

sys.exit(main(sys.argv[1:]))
