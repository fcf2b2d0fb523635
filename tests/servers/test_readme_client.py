"""The client that README.md shows is run as it stands there: killed again and again, it holds what the feed holds."""

import asyncio
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from city_brain.incidents.incident import incident_line
from city_brain.servers.settings import Limits
from tests.feed_chaos.story import Story, heartbeat
from tests.feeds.builders import a_filter
from tests.house import ROOT
from tests.servers.serving import Served, serving

SHOWN = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
WITHIN_S = 60.0


def held(file: Path) -> dict[str, bytes]:
    """What the client holds."""
    if not file.exists():
        return {}
    with closing(sqlite3.connect(file)) as db:
        try:
            return dict(db.execute("select id, line from held").fetchall())
        except sqlite3.OperationalError:
            return {}


def test_the_client_in_the_readme_loses_nothing(tmp_path: Path) -> None:
    """Through kills amid the work, and what comes while it is away."""
    (program,) = SHOWN
    assert max(map(len, program.splitlines())) <= 120
    file = tmp_path / "incidents.sqlite"
    wanted = a_filter(types=("crash",))

    def there_is(served: Served) -> dict[str, bytes]:
        now = (one.incident for one in served.feed.log.snapshot() if wanted.matches(one.incident))
        return {one.incident_id: incident_line(one) for one in now}

    async def test() -> None:
        async with serving(limits=Limits(stop_wait_s=0.5)) as served:
            script = program.replace("127.0.0.1:50550", served.server.address)
            assert script != program
            (tmp_path / "follow.py").write_text(script, encoding="utf-8")
            client: asyncio.subprocess.Process | None = None
            for tick, said in Story(seed=4, changes=1_500, a_tick=10).ticks():
                if tick % 50 == 0:
                    if client is not None:
                        client.kill()
                        await client.wait()
                    before = held(file)
                    command = (sys.executable, "follow.py")
                    client = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
                    while tick and held(file) == before != there_is(served):  # it may have been killed with all of it
                        await asyncio.sleep(0.02)
                served.feed.append(tick, said, heartbeat(tick))
                await asyncio.sleep(0.005)
            expected = there_is(served)
            while held(file) != expected:
                await asyncio.sleep(0.1)
            assert client is not None
            client.kill()
            await client.wait()
            assert len(expected) > 5

    async def within() -> None:
        async with asyncio.timeout(WITHIN_S):
            await test()

    asyncio.run(within())
