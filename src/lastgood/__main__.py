"""`python -m lastgood` and the `lastgood` command. `--version` is answered before anything else is imported."""

import sys


def main() -> None:
    """Run the command line and end with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from lastgood import __version__

        sys.stdout.write(f"lastgood {__version__}\n")
        return
    _end_in_order()
    from lastgood.cli.app import run

    sys.exit(run(sys.argv[1:]))


def _end_in_order() -> None:
    """Let SIGTERM and a terminal that goes away end a command as Ctrl-C does: in order, with a record."""
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP, and that is left as it is
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    main()
