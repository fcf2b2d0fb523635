"""`python -m tests.benchmarks.altered robustness`, or `ablation`: the score where a world or fusion lacks something.

Robustness: the same worlds, with less or worse of what their devices sent. What really happened stays as it is: what
nobody can see any more still counts as missed. Ablation: the worlds as they are, fused without one part. Incidents are
kept in `.bench` by world, variant and code, so whoever is interrupted goes on where it ended.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from city_brain.scoring import Score, read_answers, read_truth, score_worlds
from tests.benchmarks.altered.answers import Answers, fused
from tests.benchmarks.altered.lesions import ABLATION, Lesion
from tests.benchmarks.altered.worlds import ROBUSTNESS, Alteration, World, skewed, tune

_VARIANTS: Final[dict[str, dict[str, tuple[Alteration, Lesion]]]] = {
    "robustness": {name: (alteration, Lesion()) for name, alteration in ROBUSTNESS.items()},
    "ablation": {
        **{name: (lambda world: world, lesion) for name, lesion in ABLATION.items()},
        "clocks of sources, and these are off by up to 10 s": (skewed, ABLATION["clocks of sources"]),
        "noise of cameras, and it is twice the usual": (ROBUSTNESS["twice the noise"], ABLATION["noise of cameras"]),
    },
}
_HEAD: Final = (
    *("detected", "precision", "duplicates per detected", "false alarms", "mean s to detect"),
    "missed; false alarms, by type",
)


def main() -> int:
    """Fuses what is not kept yet, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.altered", description=__doc__)
    parser.add_argument("table", choices=sorted(_VARIANTS))
    parser.add_argument("--worlds", type=Path, nargs="+", default=tune(), help="folders as `synth` writes them")
    parser.add_argument("--only", nargs="+", metavar="WORDS", help="variants whose name has these words in it")
    chosen = parser.parse_args()
    absent = [world for world in chosen.worlds if not (world / "truth.json").exists()]
    if absent:
        print(f"shared data absent: wanted a world at {absent[0]}", file=sys.stderr)
        return 2
    variants = {
        name: how
        for name, how in _VARIANTS[chosen.table].items()
        if not chosen.only or any(words in name for words in chosen.only)
    }
    print("\n".join(_table(_scores(chosen.worlds, variants))))
    return 0


def _scores(worlds: Sequence[Path], variants: Mapping[str, tuple[Alteration, Lesion]]) -> dict[str, Score]:
    answers = Answers()
    for folder in worlds:
        wanted = {name: how for name, how in variants.items() if not answers.path(folder, name).exists()}
        world = World.read(folder) if wanted else None
        for name, (alteration, lesion) in wanted.items():
            assert world is not None
            print(f"fuses {folder.name}, {name}", file=sys.stderr, flush=True)
            answers.keep(folder, name, fused(alteration(world), lesion))
    return {
        name: score_worlds(
            (
                read_truth((folder / "truth.json").read_bytes()),
                read_answers(answers.path(folder, name).read_bytes().splitlines()),
            )
            for folder in worlds
        )
        for name in variants
    }


def _table(scores: Mapping[str, Score]) -> list[str]:
    true = max(score.overall.true for score in scores.values())
    rows = [_cells(name, score) for name, score in scores.items()]
    lines = ["| " + " | ".join(cells) + " |" for cells in ((f"of {true} incidents", *_HEAD), *rows)]
    return [lines[0], "|" + " --- |" * (1 + len(_HEAD)), *lines[1:]]


def _cells(name: str, score: Score) -> tuple[str, ...]:
    whole = score.overall
    missed = _named({kind: of.true - of.detected for kind, of in score.types.items()})
    false = _named({kind: of.false_alarms for kind, of in score.types.items()})
    return (
        *(name, _number(whole.detection_rate), _number(whole.precision), _number(whole.duplicates_per_detected)),
        *(str(whole.false_alarms), _number(whole.ttd_s.mean, 1), f"{missed}; {false}"),
    )


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in counts.items() if count) or "-"


def _number(figure: float | None, digits: int = 2) -> str:
    return "-" if figure is None else f"{figure:.{digits}f}".removeprefix("0" if digits == 2 else "")


if __name__ == "__main__":
    sys.exit(main())
