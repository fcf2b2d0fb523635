"""Joining: findings of all partitions put together by key, and shapes found by place through a cell index."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from city_brain.incidents.desk.case import identity_of
from city_brain.incidents.desk.evidence import merge_same_key
from city_brain.incidents.hypothesis import Finding
from city_brain.incidents.incident_type import IncidentType, IncidentTypes
from city_brain.snapshot import from_bytes, to_bytes

Point = tuple[float, float]

CELL_M = 250.0
"""Side of an index cell: the order of the widest usual radius."""

_SIGMAS = 2.5


@dataclass(frozen=True, slots=True)
class Shape:
    """A point or an open line in metres, with a radius around it."""

    points: tuple[Point, ...]
    radius_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Gathered:
    """Findings of one tick, one per identity, causes before what they explain; and how many were what."""

    findings: tuple[Finding, ...]
    read: int
    repeated: int
    """Handed over more than once under one identity, by several partitions."""
    refused: int
    """Of an unknown type, or with numbers that are not finite."""


def gather(by_partition: Sequence[Sequence[Finding]], types: IncidentTypes) -> Gathered:
    """Puts the findings of all partitions together; the outcome depends neither on their order nor on the partition.

    Findings pass through bytes, as they do between programs, so that numpy scalars become plain numbers.
    """
    rank = {name: at for at, name in enumerate(types.order)}
    groups: dict[str, dict[bytes, Finding]] = {}
    read = refused = 0
    for finding in (finding for findings in by_partition for finding in findings):
        read += 1
        data = to_bytes(finding)
        plain = from_bytes(Finding, data)
        if plain.type in rank and _is_finite(plain):
            groups.setdefault(identity_of(plain), {})[data] = plain
        else:
            refused += 1
    merged: list[Finding] = []
    for name in sorted(groups):
        copies = [groups[name][data] for data in sorted(groups[name])]
        merged.append(copies[0] if len(copies) == 1 else merge_same_key(copies))
    merged.sort(key=lambda finding: (rank[finding.type], finding.first_seen_ms))
    return Gathered(tuple(merged), read, read - refused - len(merged), refused)


def shape_of(finding: Finding) -> Shape:
    """Where a finding is: its line or its point, with its radius."""
    return Shape(finding.path or ((finding.x, finding.y),), finding.radius_m)


def reach_m(kind: IncidentType, first_error_m: float, second_error_m: float) -> float:
    """How far apart two findings of one event may be: the type's radius, up to twice that where positions are bad."""
    sigma = math.sqrt(first_error_m * first_error_m + second_error_m * second_error_m)
    return max(kind.join_radius_m, min(_SIGMAS * sigma, 2.0 * kind.join_radius_m))


def gap_m(first: Shape, second: Shape, reach: float = math.inf) -> float:
    """Least distance between two shapes in metres; 0 where they touch, infinite where surely more than `reach`."""
    if _box_gap(first.points, second.points) > reach + first.radius_m + second.radius_m:
        return math.inf
    apart = min(_gap_squared(a, b) for a in _segments(first.points) for b in _segments(second.points))
    return max(math.sqrt(apart) - first.radius_m - second.radius_m, 0.0)


def tail_gap_m(first: Shape, second: Shape, reach: float = math.inf) -> float:
    """The same between two queues, from the tail of either: heads that meet at a junction are of two queues."""
    pairs = ((first, second), (second, first))
    return min(gap_m(Shape(one.points[-1:], one.radius_m), other, reach) for one, other in pairs)


class CellIndex:
    """Which names have a shape near a place: names by the cells that their shapes touch.

    Rebuilt from the cases when a snapshot is restored; answers are sorted by name, so its history does not show.
    """

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], dict[str, None]] = {}
        self._where: dict[str, tuple[tuple[int, int], ...]] = {}

    def put(self, name: str, shapes: Iterable[Shape]) -> None:
        """Enters a name with its shapes, in place of what it had before."""
        cells = tuple(sorted(dict.fromkeys(cell for shape in shapes for cell in _cells_of(shape))))
        if cells == self._where.get(name):
            return
        self.drop(name)
        self._where[name] = cells
        for cell in cells:
            self._cells.setdefault(cell, {})[name] = None

    def drop(self, name: str) -> None:
        """Forgets a name; one that is not there is no error."""
        for cell in self._where.pop(name, ()):
            names = self._cells[cell]
            del names[name]
            if not names:
                del self._cells[cell]

    def near(self, shape: Shape, reach: float) -> list[str]:
        """Names that may lie within `reach` metres of a shape, sorted: never one too few, some too many."""
        if not self._cells:
            return []
        west, south, east, north = _window(shape.points, shape.radius_m + reach)
        if (east - west + 1) * (north - south + 1) > len(self._cells):
            hit = [c for c in self._cells if west <= c[0] <= east and south <= c[1] <= north]
        else:
            hit = [(i, j) for i in range(west, east + 1) for j in range(south, north + 1)]
        return sorted(dict.fromkeys(name for cell in hit for name in self._cells.get(cell, ())))


def _is_finite(finding: Finding) -> bool:
    """Whether every number is finite: one that is not makes any sum of them infinite or NaN."""
    total = finding.x + finding.y + finding.position_error_m + finding.log_odds + finding.radius_m
    total += finding.magnitude or 0.0
    for x, y in finding.path:
        total += x + y
    for item in finding.evidence:
        total += item.weight + (item.distance_m or 0.0)
        for value in item.note.values():
            if isinstance(value, float):
                total += value
    return math.isfinite(total)


def _box_gap(first: Sequence[Point], second: Sequence[Point]) -> float:
    """Distance between bounding boxes along the axis in which they are further apart; negative where they overlap."""
    gaps = []
    for axis in (0, 1):
        a, b = [point[axis] for point in first], [point[axis] for point in second]
        gaps.append(max(min(a) - max(b), min(b) - max(a)))
    return max(gaps)


def _window(points: Sequence[Point], margin: float) -> tuple[int, int, int, int]:
    if len(points) == 1:
        ((west, south),) = points
        east, north = west, south
    else:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        west, south, east, north = min(xs), min(ys), max(xs), max(ys)
    return (
        math.floor((west - margin) / CELL_M),
        math.floor((south - margin) / CELL_M),
        math.floor((east + margin) / CELL_M),
        math.floor((north + margin) / CELL_M),
    )


def _cells_of(shape: Shape) -> Iterable[tuple[int, int]]:
    for segment in _segments(shape.points):
        west, south, east, north = _window(segment, shape.radius_m)
        yield from ((i, j) for i in range(west, east + 1) for j in range(south, north + 1))


def _segments(points: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    """A line as its segments; a point as one segment without length."""
    return list(pairwise(points)) or [(points[0], points[0])]


def _gap_squared(first: tuple[Point, Point], second: tuple[Point, Point]) -> float:
    if _cross(first, second):
        return 0.0
    (a, b), (c, d) = first, second
    return min(_to_segment(a, c, d), _to_segment(b, c, d), _to_segment(c, a, b), _to_segment(d, a, b))


def _to_segment(point: Point, start: Point, end: Point) -> float:
    """Squared distance from a point to a segment."""
    ax, ay = point[0] - start[0], point[1] - start[1]
    bx, by = end[0] - start[0], end[1] - start[1]
    length = bx * bx + by * by
    share = 0.0 if length == 0.0 else min(max((ax * bx + ay * by) / length, 0.0), 1.0)
    dx, dy = ax - share * bx, ay - share * by
    return dx * dx + dy * dy


def _cross(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Whether two segments cross properly; touching ends show as distance 0 anyway."""
    (a, b), (c, d) = first, second
    return _turn(a, b, c) * _turn(a, b, d) < 0.0 and _turn(c, d, a) * _turn(c, d, b) < 0.0


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
