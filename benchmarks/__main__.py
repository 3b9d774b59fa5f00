"""``python -m benchmarks [NAME …]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.core import discover, run
from benchmarks.report import print_tables, write_json

WIDTH = 150  # columns that the tables take, also where no terminal says how many it has


def main() -> None:
    """Run the benchmarks named on the command line, or all of them."""
    benchmarks = discover()
    listing = "\n".join(f"  {each.name:<14} {each.what}" for each in benchmarks.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure contestants in turn, in the same run; print tables, write a JSON file.",
        epilog=f"benchmarks:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", choices=[[], *benchmarks], help="which of them (all)", metavar="NAME")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), help="the file (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="less data and fewer turns: a look, within two minutes")
    parser.add_argument("--turns", type=int, help="how many, instead of each benchmark's own number")
    arguments = parser.parse_args()

    console = Console()
    console.width = max(console.width, WIDTH)
    results = []
    for name in arguments.name or benchmarks:
        with console.status(name):
            results.append(run(benchmarks[name], arguments.turns, arguments.quick))
        print_tables(results[-1], console)
        # After each, so that a run that is stopped has not been for nothing.
        write_json(results, arguments.json, arguments.quick)
    console.print(f"all samples are in {arguments.json}")


if __name__ == "__main__":
    main()
