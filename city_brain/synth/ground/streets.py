"""Streets of a synthetic city as columns: junctions on a turned and jittered grid, directed roads, lanes, turns.

Lengths are metres in the city's frame (east, north). A road runs from one stop-line area to the next stop line; its
place across is `lateral`, positive to the right of travel (traffic keeps right). Lane slots of a road: 0 is the kerb
lane, up to `MOST_LANES` lanes, then the turning pocket before the junction and the strip along the kerb where
two-wheelers ride.
"""

from dataclasses import dataclass

import numpy as np

from city_brain.synth.settings import SynthSettings, Traits
from city_brain.types import Bools, Column, Floats, Indices, Ints

MOST_LANES = 3
POCKET, STRIP, SLOTS = 3, 4, 5
LEFT, THROUGH, RIGHT = 0, 1, 2
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Grid steps (column, row) of the arms, clockwise from the grid's north."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streets:
    """The network: J junctions, R directed roads (a pair of roads has numbers 2k and 2k + 1)."""

    junction_x: Floats
    junction_y: Floats
    junction_radius: Floats
    """Distance from the centre to the stop lines."""
    junction_column: Indices
    junction_row: Indices
    arm_in: Indices
    """(J, 4) the road that arrives over an arm, -1 where there is none."""
    arm_out: Indices
    arm_side: Indices
    """(J, 4) compass octant of the arm from the centre, as an index into SIDES, -1 where there is none."""
    start: Indices
    """(R,) the junction a road leaves, -1 at the city's border."""
    end: Indices
    start_arm: Indices
    end_arm: Indices
    lanes: Indices
    width: Floats
    limit: Floats
    """Speed limit, m/s."""
    median: Floats
    pocket: Floats
    """Length of the left-turn pocket, 0 where there is none."""
    a: Floats
    """(R, 2) first, middle and last point of the axis of the road pair."""
    m: Floats
    b: Floats
    first_length: Floats
    length: Floats
    first_way: Floats
    """(R, 2) unit direction of the first and of the second half."""
    last_way: Floats
    lateral: Floats
    """(R, SLOTS) distance of the lane's centre from the axis, NaN where the slot is absent."""
    next_road: Indices
    """(R, 3) the road after turning left, going through, turning right; -1 where impossible."""
    bus_stop: Floats
    """Distance along the road, NaN where there is none."""

    @property
    def junctions(self) -> int:
        """J."""
        return len(self.junction_x)

    @property
    def roads(self) -> int:
        """R."""
        return len(self.length)

    def kerb_lateral(self, road: Indices) -> Floats:
        """Where the centre of the kerb lane lies."""
        return np.asarray(self.lateral[road, 0])

    def point(self, road: Indices, along: Floats, lateral: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """(x, y, direction x, direction y) of places on roads; outside its ends a road goes straight on."""
        second = along > self.first_length[road]
        way = np.where(second[:, None], self.last_way[road], self.first_way[road])
        foot = np.where(second[:, None], self.m[road], self.a[road])
        rest = along - np.where(second, self.first_length[road], 0.0)
        x = foot[:, 0] + way[:, 0] * rest + way[:, 1] * lateral
        y = foot[:, 1] + way[:, 1] * rest - way[:, 0] * lateral
        return x, y, way[:, 0], way[:, 1]

    def movements(self, road: Indices) -> Bools:
        """(n, 3) which turns exist at the end of each road."""
        return np.asarray(self.next_road[road] >= 0)


def lane_allows(streets: Streets, road: Indices, slot: Indices) -> Bools:
    """(n, 3) which movements the lane's arrows allow; at least one wherever the road has any."""
    exists = streets.movements(road)
    lanes = streets.lanes[road]
    pocket = streets.pocket[road] > 0
    kerb, inner = slot == 0, slot == lanes - 1
    left = np.where(pocket, slot == POCKET, inner)
    left_only = (~pocket & inner & (lanes == MOST_LANES)) | (slot == POCKET)
    through = ~left_only & (slot != POCKET)
    right = kerb | (slot == STRIP)
    allowed = np.stack([left, through, right], axis=1) & exists
    none = ~allowed.any(axis=1)
    allowed[none] = exists[none]
    return np.asarray(allowed)


@dataclass(slots=True)
class _Grid:
    """Junctions on the plane before roads are laid, and the classes of the streets through them."""

    column: Ints
    row: Ints
    x: Floats
    y: Floats
    lanes: tuple[Ints, Ints]
    limit: tuple[Floats, Floats]
    pocket: tuple[Bools, Bools]
    width: tuple[Floats, Floats]

    def half_width(self, axis: int, line: Ints) -> Floats:
        """Half the paved width of a street: half the median and the lanes of one direction."""
        median = np.where(self.pocket[axis], self.width[axis], 0.6)[line]
        return np.asarray(median / 2 + self.lanes[axis][line] * self.width[axis][line])


def _lay_grid(settings: SynthSettings, traits: Traits, chance: np.random.Generator) -> _Grid:
    wanted = settings.junction_count
    rows = max(1, int(np.sqrt(wanted * chance.uniform(0.6, 1.0))))
    columns = -(-wanted // rows)
    number = np.arange(wanted)
    column, row = number // rows, number % rows
    spread = chance.uniform(-1, 1, (wanted, 2)) * traits.jitter
    gx = (column - (columns - 1) / 2 + spread[:, 0]) * traits.block_m[0]
    gy = (row - (rows - 1) / 2 + spread[:, 1]) * traits.block_m[1]
    turn = np.deg2rad(traits.turn_deg)
    x = gx * np.cos(turn) - gy * np.sin(turn)
    y = gx * np.sin(turn) + gy * np.cos(turn)
    counts = (columns, rows)
    lanes = tuple(chance.choice([1, 2, 2, 2, 3], n) for n in counts)
    limits = tuple(np.where(few == 1, 11.11, chance.choice([13.89, 13.89, 16.67], len(few))) for few in lanes)
    pockets = tuple((few == 2) & (chance.random(len(few)) < 0.5) for few in lanes)
    widths = tuple(chance.uniform(3.0, 3.6, n).round(2) for n in counts)
    return _Grid(
        column,
        row,
        x,
        y,
        (lanes[0], lanes[1]),
        (limits[0], limits[1]),
        (pockets[0], pockets[1]),
        (widths[0], widths[1]),
    )


def _neighbours(grid: _Grid, chance: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Road pairs as (junction, arm, other junction or -1): each once, border stubs included."""
    rows = int(grid.row.max()) + 1
    at = {(int(c), int(r)): k for k, (c, r) in enumerate(zip(grid.column, grid.row, strict=True))}
    first, arms, other = [], [], []
    for k, (c, r) in enumerate(zip(grid.column.tolist(), grid.row.tolist(), strict=True)):
        for arm, (dc, dr) in enumerate(_STEPS):
            to = at.get((c + dc, r + dr), -1)
            if to < 0 or arm < 2:
                first.append(k)
                arms.append(arm)
                other.append(to)
    pairs = np.array([first, arms, other], dtype=np.int64)
    degree = np.bincount(pairs[0], minlength=len(at)) + np.bincount(pairs[2][pairs[2] >= 0], minlength=len(at))
    keep = np.ones(pairs.shape[1], dtype=bool)
    for k in np.flatnonzero(chance.random(pairs.shape[1]) < 0.1).tolist():
        ends = [e for e in (pairs[0, k], pairs[2, k]) if e >= 0]
        if rows > 1 and all(degree[e] == 4 for e in ends):
            keep[k] = False
            degree[ends] -= 1
    kept = pairs[:, keep]
    return kept[0], kept[1], kept[2]


def _axes(
    grid: _Grid, traits: Traits, pairs: tuple[Ints, Ints, Ints], chance: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Ends of the axis of each pair, at junction centres or the border, and its bent middle: (n, 2) each."""
    junction, arm, other = pairs
    centre = np.stack([grid.x, grid.y], axis=1)
    turn = np.deg2rad(traits.turn_deg)
    step = np.array(_STEPS, dtype=np.float64)[arm]
    way = np.stack(
        [step[:, 0] * np.cos(turn) - step[:, 1] * np.sin(turn), step[:, 0] * np.sin(turn) + step[:, 1] * np.cos(turn)],
        axis=1,
    )
    reach = np.where(arm % 2 == 1, traits.block_m[0], traits.block_m[1]) * chance.uniform(0.75, 1.0, len(arm))
    p = centre[junction]
    q = np.where((other >= 0)[:, None], centre[np.maximum(other, 0)], p + way * reach[:, None])
    along = q - p
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    return p, q, (p + q) / 2 + normal * (chance.uniform(-1, 1, len(arm)) * traits.bend_m)[:, None]


def _radii(grid: _Grid, pairs: tuple[Ints, Ints, Ints], chance: np.random.Generator) -> Floats:
    """Distance of the stop lines from each centre: outside the widest street, with room for a crosswalk."""
    radius = np.zeros(len(grid.x))
    for axis, line in ((0, grid.column), (1, grid.row)):
        np.maximum(radius, grid.half_width(axis, line), out=radius)
    return np.asarray(radius + chance.uniform(6.0, 9.0, len(radius)))


def _interleave(forward: Column, backward: Column) -> Column:
    """Rows 2k from `forward`, 2k + 1 from `backward`."""
    out = np.empty((2 * len(forward), *forward.shape[1:]), dtype=forward.dtype)
    out[0::2], out[1::2] = forward, backward
    return out


def _turns(arm_out: Indices, end: Indices, end_arm: Indices) -> Indices:
    """(R, 3) road after left, through, right: arms are clockwise, so left of arriving over arm k is arm k + 1."""
    after = np.stack([(end_arm + shift) % 4 for shift in (1, 2, 3)], axis=1)
    return np.asarray(np.where((end >= 0)[:, None], arm_out[np.maximum(end, 0)[:, None], after], -1), dtype=np.int32)


def _by_street(columns: tuple[Column, Column], axis: Ints, line: Ints) -> Column:
    """What the street of each road pair is: from the streets along the columns, or from those along the rows."""
    along, across = (columns[k][np.minimum(line, len(columns[k]) - 1)] for k in (0, 1))
    return np.where(axis == 0, along, across)


def _laterals(lanes: Ints, width: Floats, median: Floats, pocket: Floats) -> Floats:
    lateral = np.full((len(lanes), SLOTS), np.nan)
    for slot in range(MOST_LANES):
        lateral[:, slot] = np.where(slot < lanes, median / 2 + (lanes - slot - 0.5) * width, np.nan)
    lateral[:, POCKET] = np.where(pocket > 0, median / 2 - width / 2, np.nan)
    lateral[:, STRIP] = lateral[:, 0] + width / 2 - 0.45
    return lateral


def build_streets(settings: SynthSettings, traits: Traits) -> Streets:
    """Lays the network that belongs to the seed."""
    chance = settings.chance(1)
    grid = _lay_grid(settings, traits, chance)
    pairs = _neighbours(grid, chance)
    junction, arm, other = pairs
    p, q, middle = _axes(grid, traits, pairs, chance)
    radius = _radii(grid, pairs, chance)
    head, tail = middle - p, q - middle
    head_way = head / np.hypot(head[:, 0], head[:, 1])[:, None]
    tail_way = tail / np.hypot(tail[:, 0], tail[:, 1])[:, None]
    p = p + head_way * radius[junction][:, None]
    q = q - tail_way * np.where(other >= 0, radius[np.maximum(other, 0)], 0.0)[:, None]
    a, b, m = _interleave(p, q), _interleave(q, p), _interleave(middle, middle)
    first_way, last_way = _interleave(head_way, -tail_way), _interleave(tail_way, -head_way)
    first_length = np.hypot(m[:, 0] - a[:, 0], m[:, 1] - a[:, 1])
    length = first_length + np.hypot(b[:, 0] - m[:, 0], b[:, 1] - m[:, 1])
    start = _interleave(junction, other).astype(np.int32)
    end = _interleave(other, junction).astype(np.int32)
    start_arm, end_arm = (
        _interleave(arm, (arm + 2) % 4).astype(np.int32),
        _interleave((arm + 2) % 4, arm).astype(np.int32),
    )
    axis = arm % 2
    line = np.where(axis == 0, grid.column[junction], grid.row[junction])
    lanes, width, limit, has_pocket = (
        np.repeat(_by_street(streets, axis, line), 2) for streets in (grid.lanes, grid.width, grid.limit, grid.pocket)
    )
    median = np.where(has_pocket, width, 0.6)
    pocket = np.where(has_pocket & (end >= 0) & (length > 130), 45.0, 0.0)
    arm_in, arm_out, side = (np.full((len(grid.x), 4), -1, dtype=np.int32) for _ in range(3))
    roads = np.arange(len(length), dtype=np.int32)
    arm_in[end[end >= 0], end_arm[end >= 0]] = roads[end >= 0]
    arm_out[start[start >= 0], start_arm[start >= 0]] = roads[start >= 0]
    compass = np.rint(np.degrees(np.arctan2(first_way[:, 0], first_way[:, 1])) / 45).astype(np.int32) % 8
    side[start[start >= 0], start_arm[start >= 0]] = compass[start >= 0]
    stops = (lanes >= 2) & (length > 150) & (chance.random(len(length)) < 0.5)
    return Streets(
        junction_x=grid.x, junction_y=grid.y, junction_radius=radius,
        junction_column=grid.column.astype(np.int32), junction_row=grid.row.astype(np.int32),
        arm_in=arm_in, arm_out=arm_out, arm_side=side, start=start, end=end, start_arm=start_arm, end_arm=end_arm,
        lanes=lanes.astype(np.int32), width=width, limit=limit, median=median, pocket=pocket,
        a=a, m=m, b=b, first_length=first_length, length=length, first_way=first_way, last_way=last_way,
        lateral=_laterals(lanes, width, median, pocket), next_road=_turns(arm_out, end, end_arm),
        bus_stop=np.where(stops, length * chance.uniform(0.35, 0.65, len(length)), np.nan),
    )  # fmt: skip
