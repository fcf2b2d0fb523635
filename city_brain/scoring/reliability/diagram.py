"""The reliability diagram as an SVG: confidence to the right, the share that was real upwards.

On the diagonal a confidence means what it says; the band around it is the promise. A dot is a bin, its line Wilson's
interval; dots of few incidents are hollow. Below, how many incidents each bin holds. Plain text with two decimals per
coordinate: the same figures give the same bytes.
"""

from typing import Final

from city_brain.scoring.reliability.figures import WELL_FILLED, Reliability, ReliabilityBin

PROMISED: Final = 0.05
"""Half the width of the band."""
_SIDE, _LEFT, _TOP, _BARS, _GAP = 360.0, 56.0, 40.0, 60.0, 44.0
_WIDTH, _HEIGHT = _LEFT + _SIDE + 24.0, _TOP + _SIDE + _GAP + _BARS + 40.0
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.title{font-size:14px}.frame{fill:none;stroke:#888}.even{stroke:#888;"
    "stroke-dasharray:4 3}.band{fill:#e3ecf5}.span,.dot{stroke:#1f5fa8;stroke-width:1.5}.dot{fill:#1f5fa8}"
    ".few{fill:#fff}.bar{fill:#9db8d6}.end{text-anchor:end}.middle{text-anchor:middle}"
)


def diagram(found: Reliability, title: str) -> str:
    """The diagram of one set of incidents, as a whole SVG document."""
    words = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" width="{_WIDTH:.0f}" '
        f'height="{_HEIGHT:.0f}" role="img">',
        f"<title>{words}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT:.0f}" y="22">{words}</text>',
        *_ground(),
    ]
    for each in found.bins:
        lines += _dot(each)
    lines += _counts(found.bins)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _x(share: float) -> str:
    return f"{_LEFT + share * _SIDE:.2f}"


def _y(share: float) -> str:
    return f"{_TOP + (1 - share) * _SIDE:.2f}"


def _ground() -> list[str]:
    """Band, diagonal, frame and scales."""
    corners = (
        (0.0, 0.0), (0.0, PROMISED), (1 - PROMISED, 1.0), (1.0, 1.0), (1.0, 1 - PROMISED), (PROMISED, 0.0),
    )  # fmt: skip
    band = " ".join(f"{_x(right)},{_y(up)}" for right, up in corners)
    lines = [
        f'<polygon class="band" points="{band}"/>',
        f'<line class="even" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>',
        f'<rect class="frame" x="{_x(0)}" y="{_y(1)}" width="{_SIDE:.2f}" height="{_SIDE:.2f}"/>',
        f'<text transform="rotate(-90)" x="{-_TOP - _SIDE / 2:.2f}" y="16" class="middle">share that was real</text>',
    ]
    below = _TOP + _SIDE + 16
    for fifth in range(6):
        share = fifth / 5
        lines.append(f'<text class="middle" x="{_x(share)}" y="{below:.2f}">{share:.1f}</text>')
        lines.append(f'<text class="end" x="{_LEFT - 6:.2f}" y="{float(_y(share)) + 4:.2f}">{share:.1f}</text>')
    return [*lines, f'<text class="middle" x="{_x(0.5)}" y="{below + 16:.2f}">confidence</text>']


def _dot(each: ReliabilityBin) -> list[str]:
    at = _x(each.mean_confidence)
    few = "" if each.count >= WELL_FILLED else " few"
    told = f"{each.mean_confidence:.3f}: {each.true} of {each.count} real"
    return [
        f'<line class="span" x1="{at}" y1="{_y(each.share_from)}" x2="{at}" y2="{_y(each.share_to)}"/>',
        f'<circle class="dot{few}" cx="{at}" cy="{_y(each.true_share)}" r="4"><title>{told}</title></circle>',
    ]


def _counts(bins: tuple[ReliabilityBin, ...]) -> list[str]:
    """A bar for each bin, the fullest as high as there is room."""
    most = max((each.count for each in bins), default=1)
    foot = _TOP + _SIDE + _GAP + _BARS + 12
    lines = [f'<line class="frame" x1="{_x(0)}" y1="{foot:.2f}" x2="{_x(1)}" y2="{foot:.2f}"/>']
    for each in bins:
        high, wide = _BARS * each.count / most, (each.high - each.low) * _SIDE
        lines.append(
            f'<rect class="bar" x="{_x(each.low)}" y="{foot - high:.2f}" width="{wide:.2f}" height="{high:.2f}">'
            f"<title>{each.count}</title></rect>"
        )
    total = sum(each.count for each in bins)
    return [*lines, f'<text x="{_LEFT:.0f}" y="{foot + 18:.2f}">incidents: {total}, at most {most} in a bin</text>']
