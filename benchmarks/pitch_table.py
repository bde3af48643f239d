"""Pitch of the voice from a full mix, beside Table 5.1 of Jansson's thesis: Markdown for the docs.

    python -m benchmarks.pitch_table --data FOLDER --write

Curves of pitch are kept below `--curves`: what is there and up to date is not found again. Rows of
models that are not installed are left out, and the page says so.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from benchmarks.pitch_scores import (
    ALONE,
    BACKED,
    SUNG,
    VOCALS,
    Case,
    Curves,
    Item,
    Reference,
    find_items,
    measure,
    reference,
    scored,
)
from benchmarks.report import markdown, parser, publish
from unmixcli.errors import UsageError
from unmixcli.metrics.melody import SHORT_NAMES
from unmixcli.pitch.session import PitchOptions, select_pitch

TITLES = {
    ALONE: "A voice alone",
    BACKED: "The same voice over backings",
    SUNG: "Sung songs, where two trackers agree",
}
SHORT_TITLES = {BACKED: "annotated voice over backings", SUNG: "sung songs"}

# Table 5.1 of the thesis, iKala: OA and RPA.
THESIS = {
    "S→P→S→P": (0.817, 0.851),
    "source→pitch": (0.800, 0.841),
    "pitch only": (0.721, 0.751),
    "Melodia": (0.766, 0.776),
    "Deep Melody": (0.695, 0.788),
}

MODELS = ("vocal-pitch", "vocal-pitch-separate")
"""The joint model and its separately trained twin."""

SEPARATORS = ("spleeter-2stems", "unmix-small")
TEACHER = "deep-salience-vocal"
LONGEST_S = 60.0

JOINT, TWIN, OTHER = "joint", "twin", "other"
AFTER, OWN_AFTER, TEACHER_ON_MIX = "after", "own after", "teacher"
"""What rows are in the verdicts. A separation followed by a tracker is `AFTER`, or `OWN_AFTER` if
it is the joint model's, which has heard the same songs."""

TRACKERS = {"pyin": "pYIN", "swiftf0": "SwiftF0"}

AIMED = ("OA", "RPA")

Scores = Mapping[str, Mapping[str, float]]
"""Of a row: measures by track."""

References = Mapping[str, Reference]
"""By track."""

Groups = Mapping[str, Sequence[str]]
"""Names of tracks by the titles of their groups."""

_VITERBI = ", Viterbi"


@dataclass(frozen=True)
class Claim:
    """That the joint model is better than each of some rows.

    Attributes:
        text: in words.
        measure: in which.
        against: what those rows are.
        words: if it is so here, and if not.
    """

    text: str
    measure: str
    against: tuple[str, ...]
    words: tuple[str, str] = ("met", "not met")


CLAIMS = (
    Claim("Aim: better than separation followed by a tracker", "OA", (AFTER, OWN_AFTER)),
    Claim("Aim: better than Deep Salience on the mix", "RPA", (TEACHER_ON_MIX,)),
    Claim(
        "Better than a tracker on the model's own vocals", "OA", (OWN_AFTER,), words=("yes", "no")
    ),
    Claim("Better than its separately trained twin", "OA", (TWIN,), words=("yes", "no")),
)


@dataclass(frozen=True)
class Plan:
    """A row before anything is looked up.

    Attributes:
        name: in the table.
        role: in the verdicts.
        model: finds the pitch.
        separator: gives it the vocals; None if it hears the mix.
        viterbi: whether salience is decoded by its likeliest path.
        polyphonic: whether several voices are looked for.
    """

    name: str
    role: str
    model: str
    separator: str | None = None
    viterbi: bool = False
    polyphonic: bool = False


@dataclass(frozen=True)
class Row:
    """A row that is measured.

    Attributes:
        name: in the table.
        role: in the verdicts.
        viterbi: whether it has Viterbi.
        scores: by track.
        unsung: shares of voiced frames, in 0..1, by track that nobody sings in.
    """

    name: str
    role: str
    viterbi: bool
    scores: Scores
    unsung: Mapping[str, float] = field(default_factory=dict)


def plans(models: Sequence[str], separators: Sequence[str]) -> list[Plan]:
    """The rows in the order of the table; the first model is the joint one."""
    names = [Path(name).name for name in models]
    found: list[Plan] = []
    for role, name, model in zip((JOINT, TWIN), names, models, strict=False):
        found += _both(Plan(name, role, model))
    for separator in separators:
        found += _tracked(Path(separator).name, separator)
    own = f"vocals of {names[0]}, then SwiftF0"
    found.append(Plan(own, OWN_AFTER, "swiftf0", models[0]))
    found += _both(Plan(f"{TEACHER}, mix", TEACHER_ON_MIX, TEACHER))
    first = separators[0]
    found += _both(Plan(f"{Path(first).name}, then {TEACHER}", OTHER, TEACHER, first))
    return found + [Plan(f"{name}, mix", OTHER, tracker) for tracker, name in TRACKERS.items()]


def _both(plan: Plan) -> list[Plan]:
    return [plan, replace(plan, name=plan.name + _VITERBI, viterbi=True)]


def _tracked(name: str, separator: str) -> list[Plan]:
    return [
        Plan(f"{name}, then {title}", AFTER, tracker, separator)
        for tracker, title in TRACKERS.items()
    ]


def case_of(plan: Plan) -> Case | None:
    """What runs; None where a model is not installed."""
    options = PitchOptions(
        viterbi=plan.viterbi,
        polyphonic=plan.polyphonic,
        stem=VOCALS if plan.separator else None,
    )
    try:
        choice = select_pitch(plan.model, options=options, separator=plan.separator)
    except UsageError:
        return None
    models = [choice.model, *([choice.separator[0].model] if choice.separator else [])]
    return Case(plan.name, choice) if all(model.installed for model in models) else None


def trackers_on_truth() -> tuple[Case, Case]:
    """Those whose agreement is the reference where there is no annotation."""
    one, other = (
        Case(f"{title}, true vocals", select_pitch(name, options=PitchOptions()), on_truth=True)
        for name, title in TRACKERS.items()
    )
    return one, other


def section(group: str, rows: Sequence[Row], references: References) -> str:
    """The table of one group of tracks; the thesis' rows stand above the songs'."""
    published = THESIS if group == SUNG else {}
    cells = [
        [f"*thesis, iKala: {name}*", f"{oa:.3f}", f"{rpa:.3f}", *[""] * (len(SHORT_NAMES) - 2)]
        for name, (oa, rpa) in published.items()
    ]
    for row in rows:
        means = [
            mean(row.scores[name][short] for name in references) for short in SHORT_NAMES.values()
        ]
        cells.append([row.name, *(f"{value:.3f}" for value in means)])
    told = "; ".join(f"{name} {_told(found)}" for name, found in references.items())
    heading = f"### {TITLES[group]}\n\nMeans over tracks. {told}."
    return f"{heading}\n\n{markdown(['', *SHORT_NAMES.values()], cells)}"


def unsung_section(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The share of frames that each row takes for a voice in tracks without one."""
    cells = [[row.name, *(f"{row.unsung[name]:.1%}" for name in names)] for row in rows]
    heading = "### Frames found voiced where nobody sings\n\nShares of all frames."
    return f"{heading}\n\n{markdown(['', *names], cells)}"


def _told(truth: Reference) -> str:
    voiced = f"{(truth.f0_hz > 0).mean():.0%} voiced"
    return voiced if truth.kept is None else f"{truth.kept.mean():.0%} kept, {voiced}"


def verdicts(rows: Sequence[Row], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The aims, met or not, and what else the rows tell.

    Args:
        rows: all that are measured.
        groups: names of tracks; those of voices alone do not count.
    """
    mixes = {title: groups[group] for group, title in SHORT_TITLES.items() if groups.get(group)}
    joint = [row for row in rows if row.role == JOINT and not row.viterbi]
    lines = [_verdict(claim, joint[0], rows, mixes) for claim in CLAIMS] if joint else []
    found = [line for line in lines if line]
    if not joint:
        found.append("The joint model is not installed: the aims are open.")
    return found + _gains(rows, mixes)


def _verdict(claim: Claim, joint: Row, rows: Sequence[Row], mixes: Groups) -> str:
    """One claim beside the strongest row against it; nothing if there is none."""
    every = _every(mixes)
    against = [row for row in rows if row.role in claim.against]
    best = max(against, key=lambda row: _mean(row, every, claim.measure), default=None)
    if best is None:
        return ""
    parts = {f"all {len(every)} mixes": every, **mixes}
    pairs = {
        title: [_mean(row, names, claim.measure) for row in (joint, best)]
        for title, names in parts.items()
    }
    figures = (f"{title} {ours:.3f} and {theirs:.3f}" for title, (ours, theirs) in pairs.items())
    ours, theirs = next(iter(pairs.values()))
    word = claim.words[0 if ours > theirs else 1]
    told = f"{claim.measure} of `{joint.name}` and `{best.name}`: {'; '.join(figures)}."
    return f"**{claim.text}: {word}.** {told}"


def _gains(rows: Sequence[Row], mixes: Groups) -> list[str]:
    """What Viterbi adds to each row that has it."""
    plain = {row.name: row for row in rows if not row.viterbi}
    told = []
    for row in rows:
        if row.viterbi:
            before = plain[row.name.removesuffix(_VITERBI)]
            gains = [_mean(row, _every(mixes), m) - _mean(before, _every(mixes), m) for m in AIMED]
            words = (f"{m} {gain:+.3f}" for m, gain in zip(AIMED, gains, strict=True))
            told.append(f"`{before.name}` {', '.join(words)}")
    line = f"Gain of Viterbi, all {len(_every(mixes))} mixes: {'; '.join(told)}."
    return [re.sub(r"-(?=\d\.\d{3})", "−", line)] if told else []


def _every(mixes: Groups) -> list[str]:
    return [name for names in mixes.values() for name in names]


def _mean(row: Row, names: Sequence[str], short: str) -> float:
    return mean(row.scores[name][short] for name in names)


def page(
    rows: Sequence[Row],
    references: Mapping[str, References],
    *,
    absent: Sequence[str],
    unsung: Sequence[str] = (),
) -> str:
    """All that stands in the docs; references by group and track, names of tracks unsung."""
    parts = [section(group, rows, found) for group, found in references.items() if found]
    if unsung:
        parts.append(unsung_section(rows, unsung))
    groups = {group: list(found) for group, found in references.items()}
    lines = [f"- {line}" for line in verdicts(rows, groups)]
    if absent:
        lines.append(f"- Left out, since they are not installed: {', '.join(absent)}.")
    return "\n\n".join([*(part.strip() for part in parts), "\n".join(lines)])


def by_group(
    items: Sequence[Item], find: Callable[[Item], Reference]
) -> dict[str, dict[str, Reference]]:
    """References by group and track; tracks in which nothing is sung are left out."""
    found: dict[str, dict[str, Reference]] = {group: {} for group in TITLES}
    for item in items:
        truth = find(item)
        if truth.is_sung:
            found[item.group][item.name] = truth
    return found


def row_of(
    plan: Plan, case: Case, items: Sequence[Item], *, curves: Curves, truths: References
) -> Row:
    """The scores of a case whose curves are there; tracks without truth are those unsung."""
    scores, unsung = {}, {}
    for item in items:
        estimate = curves.read(case, item)
        assert estimate is not None
        if item.name in truths:
            scores[item.name] = scored(truths[item.name], estimate)
        else:
            unsung[item.name] = float((estimate[1] > 0).mean())
    return Row(plan.name, plan.role, plan.viterbi, scores, unsung)


def _parser() -> ArgumentParser:
    known = parser(__doc__)
    known.add_argument("--data", type=Path, required=True, help="a data set, as of unmix eval")
    known.add_argument(
        "--models", nargs="+", default=list(MODELS), help="names or folders, the joint model first"
    )
    known.add_argument("--separators", nargs="+", default=list(SEPARATORS))
    known.add_argument(
        "--seconds", type=float, default=LONGEST_S, help="of a longer track its middle is heard"
    )
    known.add_argument("--curves", type=Path, default=Path("evaluation/pitch"))
    return known


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    items, curves = find_items(given.data, longest_s=given.seconds), Curves(given.curves)
    trackers = trackers_on_truth()
    measure(trackers, [item for item in items if item.group == SUNG], curves)
    references = by_group(items, lambda item: reference(item, curves, trackers))
    truths = {name: truth for found in references.values() for name, truth in found.items()}
    unsung = find_items(given.data, longest_s=given.seconds, sung=False)
    items = [*(item for item in items if item.name in truths), *unsung]
    planned = [(plan, case_of(plan)) for plan in plans(given.models, given.separators)]
    here = [(plan, case) for plan, case in planned if case is not None]
    measure([case for _, case in here], items, curves)
    rows = [row_of(plan, case, items, curves=curves, truths=truths) for plan, case in here]
    absent = [f"`{plan.name}`" for plan, case in planned if case is None]
    text = page(rows, references, absent=absent, unsung=[item.name for item in unsung])
    publish("pitch", text, write=given.write, page="reproductions.md")


if __name__ == "__main__":
    main()
