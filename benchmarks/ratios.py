"""Print what routilux costs, as ratios to what else would do the job.

    python benchmarks/ratios.py [--rounds N] [--only TOPIC] [--json FILE]

Absolute times of two machines, or of one machine in two moments, can't be compared;
ratios of contenders that took turns can. `docs/benchmarks.md` says what each row means.
It wants a machine that has nothing else to do: the load is printed with the table.
"""

import logging

import table
from measures import TOPICS


def main() -> None:
    """Measure, print each row when it is there, write the file."""
    parser = table.options_of(__doc__, rounds=9)
    parser.add_argument("--only", choices=TOPICS, action="append", metavar="TOPIC")
    options = parser.parse_args()
    # It would warn of the routines that are made to wait here.
    logging.getLogger("routilux").setLevel(logging.ERROR)
    topics = options.only or TOPICS
    table.show(
        options, (row for name in topics for row in TOPICS[name](options.rounds))
    )


if __name__ == "__main__":
    main()
