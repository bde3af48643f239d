"""The likeliest path through salience: pitch that moves as voices do, by Viterbi's algorithm.

The states of a frame are the bins and one for "unvoiced". With salience s in a bin and a threshold
t, a voiced state is worth log s, the unvoiced one log t; so without costs of transitions the path
is what each frame by itself would be. From bin to bin a transition costs so much a semitone up to
a limit (a leap of an octave must not cost more than breaking off), between voiced and unvoiced a
constant. Salience is no probability of a model that was fitted: the costs are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.pitch.decode import Indices, PitchRange, refined_hz
from unmixcli.pitch.f0 import Floats, Lines, join_lines, no_lines

# How often is looked whether paths have met; how many frames may wait for that.
_LOOK_FRAMES = 64
_MOST_WAITING = 512

_LEAST = 1e-6


@dataclass(frozen=True)
class TransitionCosts:
    """Costs in nats, for frames about 12 ms apart.

    Attributes:
        semitone: of moving by 100 cents. Vibrato moves by about 20 cents a frame.
        most: of any move between voiced states.
        voicing: of beginning or ending.
    """

    semitone: float = 0.5
    most: float = 3.0
    voicing: float = 1.5

    def between(self, bins: int, *, bins_per_octave: int) -> Floats:
        """From each state (rows) to each (columns), the last unvoiced: `(bins + 1, bins + 1)`."""
        places = np.arange(bins)
        semitones = np.abs(places[:, None] - places) * 12 / bins_per_octave
        costs = np.full((bins + 1, bins + 1), self.voicing)
        costs[:bins, :bins] = np.minimum(self.semitone * semitones, self.most)
        costs[bins, bins] = 0.0
        return costs


class ViterbiDecoder:
    """The best path, decided as soon as all paths that may become it have the same past.

    Where they have not met within 512 frames (6 s) the best so far decides; only there may the
    result differ from that of the whole track at once. Memory does not grow, and blocks of any
    length give the same.

    Args:
        axis: of the bins.
        within: what counts as pitch.
        costs: of transitions.
    """

    voices = 1

    def __init__(
        self, axis: SalienceAxis, *, within: PitchRange, costs: TransitionCosts | None = None
    ) -> None:
        self._axis = axis
        self._bins = within.bins(axis)
        self._count = self._bins.stop - self._bins.start
        self._unvoiced_value = float(np.log(max(within.threshold, _LEAST)))
        self._costs = (costs or TransitionCosts()).between(
            self._count, bins_per_octave=axis.bins_per_octave
        )
        self._worth: Floats | None = None
        # Of the frames that wait: their salience, and where the best path to each state is from.
        self._salience: list[Floats] = []
        self._origins: list[Indices] = []
        self._seen = 0

    def push(self, salience: npt.ArrayLike) -> Lines:
        """Take `(bins, frames)`, return the frames that are decided."""
        inside = np.asarray(salience, dtype=np.float64)[self._bins]
        decided = [no_lines(1)]
        for frame in inside.T:
            self._step(frame.copy())
            self._seen += 1
            if self._seen % _LOOK_FRAMES == 0:
                decided.append(self._decide())
        return join_lines(decided)

    def finish(self) -> Lines:
        """Return the rest."""
        if self._worth is None:
            return no_lines(1)
        return self._emit(self._back(np.array([np.argmax(self._worth)]))[0])

    def _step(self, frame: Floats) -> None:
        gain = np.append(np.log(np.maximum(frame, _LEAST)), self._unvoiced_value)
        if self._worth is None:
            self._worth, origin = gain, np.arange(self._count + 1)
        else:
            reached = self._worth[:, None] - self._costs
            origin = np.argmax(reached, axis=0)
            self._worth = reached[origin, np.arange(self._count + 1)] + gain
            # Only differences matter; without this the sum would lose digits.
            self._worth -= self._worth.max()
        self._salience.append(frame)
        self._origins.append(origin)

    def _back(self, states: Indices) -> Indices:
        """The paths that end in these states: `(states, waiting frames)`."""
        path = np.empty((len(states), len(self._origins)), dtype=np.intp)
        for place in range(len(self._origins) - 1, -1, -1):
            path[:, place] = states
            states = self._origins[place][states]
        return path

    def _decide(self) -> Lines:
        assert self._worth is not None
        alive = np.flatnonzero(self._worth > -np.inf)
        paths = self._back(alive)
        same = int(np.sum(np.logical_and.accumulate((paths == paths[0]).all(axis=0))))
        if len(self._origins) - same > _MOST_WAITING:
            best = paths[np.argmax(self._worth[alive])]
            same = len(self._origins) // 2
            through = (paths[:, :same] == best[:same]).all(axis=1)
            # Paths with another past are not to be followed any more.
            self._worth[alive[~through]] = -np.inf
            return self._emit(best[:same])
        return self._emit(paths[0, :same])

    def _emit(self, path: Indices) -> Lines:
        """The pitch of the oldest frames that wait, for the states decided."""
        frames = len(path)
        if not frames:
            return no_lines(1)
        salience = np.stack(self._salience[:frames], axis=1)
        del self._salience[:frames], self._origins[:frames]
        voiced = path < self._count
        bins = np.where(voiced, path, np.argmax(salience, axis=0))[None]
        level = np.take_along_axis(salience, bins, axis=0)
        f0_hz = refined_hz(salience, bins, axis=self._axis, first_bin=self._bins.start)
        return Lines(np.where(voiced, f0_hz, 0.0), np.clip(level, 0, 1))
