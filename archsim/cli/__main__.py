"""``python -m archsim.cli``, the same as ``archsim``."""

import sys

from archsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
