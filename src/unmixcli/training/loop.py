"""The loop: steps, validations, checkpoints; it goes on where it was broken off, to the bit.

Everything random in a step is drawn from the recipe's seed and the step's number, or from torch's
generator, whose state is in the checkpoint. So 4 steps are 2, a checkpoint and 2 more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from unmixcli.errors import ResourceError
from unmixcli.models.catalogue import Model
from unmixcli.models.spectral import SpectralModel
from unmixcli.training import events
from unmixcli.training.checkpoint import BEST, LAST, read_checkpoint, write_checkpoint
from unmixcli.training.excerpts import Batch, ExcerptSource
from unmixcli.training.model import untrained_model
from unmixcli.training.objective import Objective, Trainee
from unmixcli.training.recipe import Optimiser, Recipe, Schedule
from unmixcli.training.start import load_start
from unmixcli.training.validate import Scores, validate

_PRECISION: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed"}

ValidationSet = Sequence[tuple[str, Batch]]


@dataclass
class _State:
    """What changes while training, beside the weights and the optimiser."""

    step: int = 0
    best: float = float("-inf")
    stale: int = 0
    drops: int = 0
    ema: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        model: with the weights to export: the best validated ones, else the last.
        step: the last one.
        score: the best validation score in dB, minus infinity without any.
        finished: whether there is nothing left to do.
    """

    model: SpectralModel
    step: int
    score: float
    finished: bool


class Trainer:
    """Trains the model of a recipe.

    Args:
        recipe: what to do.
        source: of the excerpts.
        validation: names and batches of one excerpt each; may be empty.
        folder: where the checkpoints go; it must exist.
        fabric: where to train, launched; see `new_fabric`. Of several processes the first one
            writes, speaks and decides; each draws `excerpts.batch` excerpts of its own.
        listener: is told what happens.
        stop: is asked after every step whether to save and go home.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: ExcerptSource,
        *,
        validation: ValidationSet = (),
        folder: Path,
        fabric: Fabric,
        listener: events.Listener = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.recipe = recipe
        self._source = source.share(fabric.global_rank)
        self._validation = validation
        self._folder = folder
        self._leads = fabric.is_global_zero
        self._tell = listener if self._leads else lambda _: None
        self._stop = stop
        self._fabric = fabric
        model = untrained_model(recipe)
        self._objective = Objective(
            recipe.loss,
            config=model.settings.stft,
            counted=[not recipe.learned or stem in recipe.learned for stem in recipe.network.stems],
        )
        trainee = Trainee(model, all_bins=self._objective.hears)
        self._network, self._optimiser = self._fabric.setup(
            trainee, new_optimiser(recipe.optimiser, trainee)
        )
        self._trainee = trainee
        self._state = _State()
        torch.manual_seed(recipe.seed + fabric.global_rank)
        self._begin_average()

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self._state.step

    def start_from(self, start: Model) -> None:
        """Begin with the weights of another model; see `load_start`."""
        load_start(self._trainee.model, start)
        self._begin_average()
        self._tell(events.Noticed(f"begins with the weights of {start.name}"))

    def resume(self) -> None:
        """Go on from the last checkpoint of the folder.

        Raises:
            InputError: if it is damaged.
            UsageError: if it belongs to another recipe.
        """
        content = read_checkpoint(self._folder / LAST, recipe=self.recipe)
        self._trainee.load_state_dict(content["weights"])
        self._optimiser.load_state_dict(content["optimiser"])
        self._state = _State(**content["state"])
        self._state.ema = {
            name: value.to(self._fabric.device) for name, value in self._state.ema.items()
        }
        torch.set_rng_state(content["random"])
        if content["random_cuda"] and self._fabric.device.type == "cuda":
            torch.cuda.set_rng_state_all(content["random_cuda"])

    def run(self) -> Outcome:
        """Train up to the schedule's last step, or until stopped; a checkpoint is left."""
        recipe, state = self.recipe, self._state
        accumulate = recipe.optimiser.accumulate
        numbers = range(state.step * accumulate, recipe.schedule.steps * accumulate)
        reason, finished = "all steps are done", True
        with closing(self._source.batches(numbers, workers=recipe.excerpts.workers)) as batches:
            while state.step < recipe.schedule.steps:
                started = time.perf_counter()
                self._one_step([next(batches) for _ in range(accumulate)], started=started)
                self._at_intervals()
                if self._is_stale():
                    reason = f"no gain in {state.stale} validations"
                    break
                if self._fabric.broadcast(self._stop()):
                    reason, finished = "stopped", state.step >= recipe.schedule.steps
                    break
        self._save(LAST)
        self._tell(events.Ended(state.step, reason, finished))
        return Outcome(self._best_model(), state.step, state.best, finished)

    def _one_step(self, batches: Sequence[Batch], *, started: float) -> None:
        state, settings = self._state, self.recipe.optimiser
        rate = learning_rate(
            state.step, settings.learning_rate, self.recipe.schedule, drops=state.drops
        )
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._network.train()
        losses = []
        for number, batch in enumerate(batches, start=1):
            # Gradients of all devices meet once a step.
            with self._fabric.no_backward_sync(self._network, enabled=number < len(batches)):
                losses.append(self._backward(batch, share=1 / len(batches)))
        gradient = nn.utils.clip_grad_norm_(
            self._trainee.parameters(), settings.clip or float("inf")
        )
        loss = sum(value for value, _ in losses) / len(losses)
        if not torch.isfinite(gradient):
            raise ResourceError(
                f"step {state.step + 1}: the gradient is not finite (loss {loss:g}); the last "
                "checkpoint is whole: lower optimiser.learning_rate and go on by --resume"
            )
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        state.step += 1
        self._average(settings.ema)
        parts = {name: sum(p[name] for _, p in losses) / len(losses) for name in losses[0][1]}
        speed = 1 / (time.perf_counter() - started)
        self._tell(
            events.Stepped(
                state.step, self.recipe.schedule.steps, loss, parts, rate, float(gradient), speed
            )
        )

    def _backward(self, batch: Batch, *, share: float) -> tuple[float, dict[str, float]]:
        batch = batch.to(self._fabric.device)
        loss, parts = self._objective(self._network(*self._trainee.inputs(batch)), batch)
        self._fabric.backward(loss * share)
        return float(loss.detach()), {name: float(value.detach()) for name, value in parts.items()}

    def _begin_average(self) -> None:
        if self.recipe.optimiser.ema:
            self._state.ema = _copied(self._trainee)

    def _average(self, decay: float) -> None:
        """Move the average of the weights; what is no number (counters, statistics) is copied."""
        if not decay:
            return
        # Early on the average would mostly remember the random start.
        decay = min(decay, (1 + self._state.step) / (10 + self._state.step))
        parameters = dict(self._trainee.named_parameters())
        for name, value in self._trainee.state_dict().items():
            if name in parameters:
                self._state.ema[name].lerp_(value, 1 - decay)
            else:
                self._state.ema[name].copy_(value)

    def _at_intervals(self) -> None:
        step, last = self._state.step, self.recipe.schedule.steps
        if self._validation and (step % self.recipe.validation.every == 0 or step == last):
            self._validate()
        if step % self.recipe.checkpoint_every == 0:
            self._save(LAST)

    def _validate(self) -> None:
        state = self._state
        weights = _copied(self._trainee)
        self._trainee.load_state_dict(state.ema or weights)
        scores = Scores()
        if self._leads:
            pitch = self.recipe.network.pitch
            scores = validate(
                self._trainee,
                self._validation,
                device=self._fabric.device,
                threshold=0.4 if pitch is None else pitch.threshold,
            )
        scores = self._fabric.broadcast(scores)
        score = scores.total(pitch_weight=self.recipe.validation.pitch_weight)
        is_best = score > state.best
        if is_best:
            state.best, state.stale = score, 0
            self._save(BEST)
        else:
            state.stale += 1
            state.drops += state.stale % self.recipe.schedule.patience == 0
        self._trainee.load_state_dict(weights)
        self._tell(events.Validated(state.step, score, scores.targets, is_best, scores.pitch))

    def _is_stale(self) -> bool:
        return 0 < self.recipe.schedule.stop_after <= self._state.stale

    def _save(self, name: str) -> None:
        if not self._leads:
            return
        path = self._folder / name
        content = {
            "weights": self._trainee.state_dict(),
            "optimiser": self._optimiser.state_dict() if name == LAST else {},
            "state": vars(self._state),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        write_checkpoint(path, content, recipe=self.recipe)
        if name == LAST:
            self._tell(events.Saved(self._state.step, path))

    def _best_model(self) -> SpectralModel:
        if (self._folder / BEST).is_file() and self._state.best > float("-inf"):
            content = read_checkpoint(self._folder / BEST, recipe=self.recipe)
            self._trainee.load_state_dict(content["weights"])
        elif self._state.ema:
            self._trainee.load_state_dict(self._state.ema)
        return self._trainee.model.eval()


def new_fabric(recipe: Recipe, *, device: torch.device, devices: int = 1) -> Fabric:
    """What runs the steps of a recipe on one device or several of a kind.

    For several, `launch()` starts this very command again for each of the others, and the
    gradient is the mean over all of them.
    """
    return Fabric(
        accelerator=device.type,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=_PRECISION[recipe.optimiser.precision],
    )


def new_optimiser(settings: Optimiser, module: nn.Module) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters of a module."""
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(
        module.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )


def learning_rate(step: int, rate: float, schedule: Schedule, *, drops: int = 0) -> float:
    """The rate of a step that is counted from 0; `drops` is how often a plateau was met."""
    if step < schedule.warmup:
        return rate * (step + 1) / schedule.warmup
    if schedule.decay == "plateau":
        return rate * schedule.factor**drops
    if schedule.decay == "none":
        return rate
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return float(rate * 0.5 * (1 + torch.cos(torch.tensor(min(1.0, done) * torch.pi)).item()))


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
