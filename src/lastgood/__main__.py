"""`python -m lastgood` and the `lastgood` command. `--version` is answered before anything else is imported."""

import sys


def main() -> None:
    """Run the command line and end with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from lastgood import __version__

        sys.stdout.write(f"lastgood {__version__}\n")
        return
    from lastgood.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
