"""The `centralino` command, also as `python -m services`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    from services.cli.commands import centralino

    centralino(prog_name="centralino")


if __name__ == "__main__":
    main()
