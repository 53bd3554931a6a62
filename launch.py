"""The one command: python launch.py room | serve | join | role | rooms | knowledge (each with --help)."""

import sys

from commands.base import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
