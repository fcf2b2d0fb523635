"""The command line: `city-brain COMMAND`; parsing and printing only, one module per command.

SIGTERM does what Ctrl-C does. Ctrl-C ends with 130; SIGTERM ends with 0 what goes on until it is told to stop (`run`,
`province`, `watch`), as it ends the programs on Kafka, and with 143 what has not done its work.
"""

import signal
import sys

__all__ = ["main"]
_INTERRUPTED = 130
_TERMINATED = 143
_CTRL_C = {signal.SIGINT}
_GO_ON = ("run", "province", "watch")


def main() -> None:
    """Runs the command line and exits with its code. What is slow to import is imported within, so that Ctrl-C is quiet
    from here on.
    """
    terminated = False
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts so what is to run behind it
        signal.pthread_sigmask(signal.SIG_BLOCK, _CTRL_C)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def terminate(*_: object) -> None:
        nonlocal terminated
        terminated = True
        if not signal.sigpending() & _CTRL_C:
            signal.raise_signal(signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CTRL_C)

    signal.signal(signal.SIGTERM, terminate)
    try:
        from city_brain.cli import app

        app.main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
    except SystemExit as done:
        if done.code != _INTERRUPTED:
            raise
    else:
        return
    if terminated:
        sys.exit(0 if sys.argv[1:2] and sys.argv[1] in _GO_ON else _TERMINATED)
    sys.exit(_INTERRUPTED)
