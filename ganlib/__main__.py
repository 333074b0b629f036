"""``python -m ganlib``: the same command line for people, DVC stages, MLproject and Prefect's subprocesses."""

from ganlib.cli import main

main()
