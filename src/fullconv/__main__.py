"""The command ``fullconv``, and ``python -m fullconv``."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C while the commands are loaded is one line, as later on."""
    try:
        from fullconv.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("fullconv: stopped by Ctrl-C\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
