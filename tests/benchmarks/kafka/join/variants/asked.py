"""What a variant is asked to do: the arguments that all of them take."""

import argparse


def asked() -> argparse.Namespace:
    """Brokers, topics, the group, and how many events there are."""
    parser = argparse.ArgumentParser()
    for name in ("servers", "source", "sink", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--form", choices=("json", "envelopes"), required=True)
    parser.add_argument("--folder", default="")
    return parser.parse_args()
