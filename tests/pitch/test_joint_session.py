"""Stems and salience of a joint model by one run of its network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pitch_models_for_tests import write_pitch_model
from unmixcli.errors import UsageError
from unmixcli.models.catalogue import Choice, Model, find_model
from unmixcli.pitch.joint import JointStream
from unmixcli.pitch.joint_session import JointEngine, JointSession, check_joint, open_joint
from unmixcli.separation.session import open_session
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request, plan_outputs

RATE = 8000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return find_model(str(write_pitch_model(tmp_path_factory.mktemp("models") / "sung")))


def opened(model: Model, **options: object) -> JointSession:
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    chosen = SpectralOptions(**options)  # type: ignore[arg-type]
    return open_joint(model, plan, device="cpu", options=chosen)


def noise(samples: int, channels: int = 2) -> Tensor:
    return torch.rand(channels, samples, generator=torch.Generator().manual_seed(samples)) - 0.5


def both(engine: JointEngine, track: Tensor, block: int) -> tuple[Tensor, Tensor]:
    stems = torch.cat(list(engine.stream(track.split(block, dim=-1))), dim=-1)
    return stems, engine.salience.finish()


@pytest.mark.parametrize("block", [999, 70000])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_and_salience_are_those_of_the_stream(
    model: Model, block: int, channels: int
) -> None:
    track, session = noise(70000, channels), opened(model)
    stems, salience = both(session.engine(sample_rate=RATE, channels=channels), track, block)
    stream = JointStream(session.network)
    first, last = stream.push_both(track), stream.finish_both()
    wanted = torch.cat((first[0], last[0]), dim=-1)
    assert torch.equal(salience, torch.cat((first[1], last[1]), dim=-1))
    assert torch.equal(stems[0], wanted[0])
    # The other one is what the vocals leave, so that both sum to the mix.
    assert torch.equal(stems[1], track - wanted[0])


def test_stems_are_those_of_a_separation_without_pitch(model: Model) -> None:
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    for options in (SpectralOptions(), SpectralOptions(overlap=0.1), SpectralOptions(batch=5)):
        other = open_session(Choice(model), plan, device="cpu", options=options)
        engine = other.engine(sample_rate=11025, channels=2)
        wanted = torch.cat(list(engine.stream([noise(30000)])), dim=-1)
        joint = open_joint(model, plan, device="cpu", options=options)
        stems, _ = both(joint.engine(sample_rate=11025, channels=2), noise(30000), 5000)
        torch.testing.assert_close(stems, wanted, atol=1e-6, rtol=1e-5)


def test_network_runs_as_often_as_without_pitch(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, runs = opened(model), []
    joint = type(session.network).joint

    def counted(self: object, mix: Tensor, **words: object) -> object:
        runs.append(mix.shape[0])
        return joint(self, mix, **words)

    monkeypatch.setattr(type(session.network), "joint", counted)
    both(session.engine(sample_rate=RATE, channels=1), noise(40000, 1), 5000)
    with_pitch, runs[:] = list(runs), []
    plan = plan_outputs(model.stem_set, Request(), model=model.name)
    other = open_session(Choice(model), plan, device="cpu", options=SpectralOptions())
    list(other.engine(sample_rate=RATE, channels=1).stream([noise(40000, 1)]))
    assert sum(runs) == sum(with_pitch) > 0


def test_salience_waits_for_whoever_takes_it(model: Model) -> None:
    engine = opened(model).engine(sample_rate=RATE, channels=1)
    engine.push(noise(70000, 1))
    taken = engine.salience.push(torch.zeros(1, 0))
    assert taken.shape[1] > 0
    assert engine.salience.push(torch.zeros(1, 0)).shape == (48, 0)
    engine.finish()
    assert taken.shape[1] + engine.salience.finish().shape[1] == 1 + 70000 // 64
    engine.push(noise(70000, 1))
    engine.reset()
    assert engine.salience.finish().shape == (48, 0)


@pytest.mark.parametrize(
    "options", [{"phase": "pu"}, {"phase": "wiener"}, {"wiener_iterations": 1}]
)
def test_what_comes_behind_the_network_is_refused(model: Model, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="leave --phase and --wiener out, or --pitch"):
        opened(model, **options)
    with_filter = model.card.model_copy(
        update={"wiener": model.card.wiener.model_copy(update={"iterations": 1})}
    )
    with pytest.raises(UsageError, match="in one pass"):
        check_joint(SpectralOptions(), Model(with_filter, model.folder))
    check_joint(SpectralOptions(phase="mixture"), Model(with_filter, model.folder))
    check_joint(SpectralOptions(wiener_iterations=0), model)
