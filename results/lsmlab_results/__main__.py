"""Entry of `python3 -m lsmlab_results`."""

import sys

try:
    from lsmlab_results.cli import main
except ModuleNotFoundError as error:
    print(
        f"lsmlab_results: {sys.executable} has no module {error.name}; use Debian's /usr/bin/python3 "
        "with python3-numpy, -scipy, -pandas and -matplotlib",
        file=sys.stderr,
    )
    sys.exit(2)

sys.exit(main(sys.argv[1:]))
