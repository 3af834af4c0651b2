"""The program's entry: a headless command, or the window."""

from __future__ import annotations

import sys

from app import cli


def main(arguments: list[str] | None = None) -> int:
    """Run `kinscope ARGUMENTS`; return the exit status: 0 well, 1 a user's fault, 2 wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in cli.COMMANDS:
        return cli.run(given)
    options = cli.parse_window(given)
    # Here, so that the headless commands load no Qt.
    from app.launch import open_window

    return open_window(options)


if __name__ == "__main__":
    sys.exit(main())
