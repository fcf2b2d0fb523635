"""A writer that kills itself at a named point: `python -m tests.store.crashing URL POINT NTH`.

It appends tick after tick from where the feed stands and prints each one that was acknowledged. A point is looked at
from outside, by the events of SQLAlchemy: before a statement that begins with its words, before a commit, or between
the acknowledgement of the store and the next append.
"""

import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from city_brain.store.store import Store
from tests.store.filling import FEED_ID, ticks

STATEMENTS = {
    "changes": "INSERT INTO changes",
    "newest": "INSERT INTO newest",
    "feed": "UPDATE feeds",
}
POINTS = (*STATEMENTS, "commit", "acknowledged")
TICKS = 200
CHANGES = 3


class _Bomb:
    def __init__(self, point: str, nth: int) -> None:
        self.point, self.left = point, nth

    def at(self, point: str) -> None:
        """Goes off at its point, the nth time."""
        self.left -= point == self.point
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, point: str, nth: str) -> None:
    """Appends until it dies."""
    bomb = _Bomb(point, int(nth))

    def before_statement(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        for name, words in STATEMENTS.items():
            if statement.startswith(words):
                bomb.at(name)

    with Store.open(url) as store:
        feed = store.feed("370100")
        reached = feed.head().last_tick
        event.listen(Engine, "before_cursor_execute", before_statement)
        event.listen(Engine, "commit", lambda _: bomb.at("commit"))
        for tick in ticks(TICKS, CHANGES):
            if reached is None or tick.tick > reached:
                feed.append(FEED_ID, [tick])
                print(tick.tick, flush=True)
                bomb.at("acknowledged")


if __name__ == "__main__":
    main(*sys.argv[1:])
