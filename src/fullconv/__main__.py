"""``python -m fullconv``: the same as the command ``fullconv``."""

from fullconv.cli import main

main()
