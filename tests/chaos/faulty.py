"""`python -m tests.chaos.faulty BUG MODULE …`: runs a program of the street with a bug planted in it."""

import runpy
import sys

from tests.chaos.bugs import BY_NAME


def main() -> None:
    """Plants, and runs the module as the main one."""
    _, name, module, *arguments = sys.argv
    BY_NAME[name].plant(module)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
