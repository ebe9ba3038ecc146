"""What the worker does at every round: small, due, safe to run on any number of hosts at once."""

_duties = {}


def duty(name):
    """Register ``fn(now) -> int`` (how many things it did) to be called at every round."""

    def register(fn):
        _duties[name] = fn
        return fn

    return register


def run_duties(now):
    """Call each duty once; returns {name: count} of those that did something."""
    counts = {name: fn(now) for name, fn in _duties.items()}
    return {name: count for name, count in counts.items() if count}
