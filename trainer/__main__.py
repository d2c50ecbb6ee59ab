"""`python -m trainer PLAN`: one segment without a fork server (Windows, Slurm, debugging)."""

import sys

from trainer.worker import run


def main() -> None:
    """Carry out the plan named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m trainer PLAN.json")
    import trainer.preload  # noqa: F401 -- environment variables before torch

    run(sys.argv[1], None)


if __name__ == "__main__":
    main()
