"""What benchmarks say: a Markdown table of cities, whether the tiles agree, and the page on which results are kept."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from city_brain.incidents.incident import Incident
from city_brain.measuring.measured import PARTS
from city_brain.replay.comparing import SHARE_WANTED, Comparison, compare
from tests.benchmarks.measuring import MeasuredCity
from tests.benchmarks.tiling import centre, read_map, tile_offsets

HEAD = (
    *("commit", "date", "city", "sources", "observations", "per second", "µs", "growth", *PARTS),
    *("ms per tick, median / 95 %", "MB map / peak", "incidents", "load"),
)
PAGE = Path(__file__).with_name("RESULTS.md")
ANCHOR = '<!-- make bench ARGS="--append COMMIT DATE" adds its rows above -->'


class Agreement(msgspec.Struct, frozen=True):
    """How many of the incidents that the single world announces are announced in every tile, and which are not."""

    expected: int
    found: int
    alone: tuple[str, ...]
    worst_m: float
    worst_s: float

    @property
    def same(self) -> bool:
        """Whether the tiles tell people the same as the single world."""
        return 2 * self.found >= SHARE_WANTED * (2 * self.found + len(self.alone))


def tiles_agree(alone: Sequence[Incident], tiled: Sequence[Incident], world: Path, tiles: int) -> Agreement:
    """Holds the incidents of every tile against those of the single world, whose folder it is."""
    geojson = read_map((world / "city.geojson").read_bytes())
    offsets, (lon, lat) = tile_offsets(geojson, tiles), centre(geojson)
    by_tile: list[list[Incident]] = [[] for _ in offsets]
    for said in tiled:
        away = [(said.lon - lon - east) ** 2 + (said.lat - lat - north) ** 2 for east, north in offsets]
        by_tile[away.index(min(away))].append(said)
    found = [_compared(alone, by_tile[tile], offset) for tile, offset in enumerate(offsets)]
    return Agreement(
        expected=len(alone) * len(offsets),
        found=sum(of.pairs for of in found),
        alone=tuple(f"tile {tile}, {name}" for tile, of in enumerate(found) for name in of.alone),
        worst_m=round(max(of.worst_m for of in found), 2),
        worst_s=max(of.worst_s for of in found),
    )


def _compared(alone: Sequence[Incident], tile: Sequence[Incident], offset: tuple[float, float]) -> Comparison:
    lon, lat = offset
    moved = [msgspec.structs.replace(said, lon=said.lon - lon, lat=said.lat - lat) for said in tile]
    return compare(alone, moved)


def table(results: Sequence[tuple[MeasuredCity, Agreement | None]], commit: str = "", date: str = "") -> list[str]:
    """Rows of a Markdown table, a row per city. `growth`: cost per observation against the synthetic city of 10^4."""
    base = next((measured.us for measured, _ in results if measured.city.sources == 10_000), None)
    return [
        "| " + " | ".join(_cells(measured, agreement, base, commit, date)) + " |" for measured, agreement in results
    ]


def heading() -> list[str]:
    """The first two rows of the table."""
    return ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]


def _cells(
    measured: MeasuredCity, agreement: Agreement | None, base: float | None, commit: str, date: str
) -> list[str]:
    median, high, _ = measured.tick_ms
    told = str(len(measured.announced)) if agreement is None else f"{agreement.found} of {agreement.expected}"
    return [
        *(commit, date, measured.city.name, f"{measured.sources:,}", f"{measured.observations:,}"),
        *(f"{measured.per_second:,}", f"{measured.us:.2f}"),
        "" if base is None or measured.city.world else f"{100.0 * (measured.us / base - 1.0):+.0f} %",
        *(f"{part.us:.2f}" for part in measured.parts.values()),
        *(f"{median:.1f} / {high:.1f}", f"{measured.ground_mb} / {measured.peak_mb}", told, f"{measured.load:.1f}"),
    ]


def append(rows: Sequence[str], page: Path = PAGE) -> None:
    """Adds rows to the table of the results page."""
    text = page.read_text(encoding="utf-8")
    before, anchor, after = text.partition(ANCHOR)
    if not anchor:
        raise ValueError(f"{page}: wanted the line {ANCHOR}, got none")
    page.write_text(before.rstrip("\n") + "\n" + "\n".join(rows) + "\n\n" + anchor + after, encoding="utf-8")
