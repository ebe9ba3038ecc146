"""How many examples the property tests try: a few in the suite, many with ``make explore``."""

import os

SCALE = float(os.environ.get("EXAMPLES", "0.2"))
REPEATABLE = "EXAMPLES" not in os.environ  # the suite tries the same ones each time, where that can be chosen


def scaled(count):
    """Return ``count`` times the environment's EXAMPLES, at least 1."""
    return max(1, round(count * SCALE))
