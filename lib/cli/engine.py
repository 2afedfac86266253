"""Snakemake, in a process that ends with the command that started it."""

import sys

from lib.cli.step import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    from snakemake.cli import main

    main(sys.argv[1:])
