"""Open-Unmix: a bidirectional LSTM that scales the mix's magnitudes, one network a stem.

Stöter et al., "Open-Unmix - A Reference Implementation for Music Source Separation", 2019. State
dicts have the keys and layouts of the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Buffers of an older layout that the published files still carry.
_LEGACY_KEYS = frozenset({"sample_rate", "stft.window", "transform.0.window"})


def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the three legacy keys of the published files, and nothing else.

    What is left loads strictly, so a file with other foreign keys fails there.
    """
    return {key: value for key, value in state.items() if key not in _LEGACY_KEYS}


class OpenUnmix(nn.Module):
    """The magnitudes of one stem from the magnitudes of the mix.

    Features stand before frames, as the spectrogram has them, so that only the LSTM's input and
    output are transposed. In evaluation each batch norm is folded into the linear layer before it.

    Args:
        nb_bins: bins of the spectrogram.
        nb_channels: channels of the spectrogram.
        hidden_size: features between the layers; even, unless ``unidirectional``.
        max_bin: number of lowest bins that are looked at; ``None`` for all. All are estimated.
        nb_layers: of the LSTM.
        unidirectional: see only the past.

    Raises:
        ValueError: a size below 1, ``max_bin`` above ``nb_bins``, or an odd ``hidden_size``.
    """

    def __init__(
        self,
        nb_bins: int,
        *,
        nb_channels: int = 2,
        hidden_size: int = 512,
        max_bin: int | None = None,
        nb_layers: int = 3,
        unidirectional: bool = False,
    ) -> None:
        super().__init__()
        seen = nb_bins if max_bin is None else max_bin
        if min(nb_bins, nb_channels, hidden_size, nb_layers) < 1:
            raise ValueError("nb_bins, nb_channels, hidden_size and nb_layers are 1 or more")
        if not 1 <= seen <= nb_bins:
            raise ValueError(f"max_bin is 1 to nb_bins = {nb_bins}, not {seen}")
        if hidden_size % 2 and not unidirectional:
            raise ValueError(f"a bidirectional hidden_size is even, not {hidden_size}")
        self.fc1 = nn.Linear(nb_channels * seen, hidden_size, bias=False)
        self.bn1 = nn.BatchNorm1d(hidden_size)
        self.lstm = nn.LSTM(
            hidden_size,
            hidden_size if unidirectional else hidden_size // 2,
            num_layers=nb_layers,
            bidirectional=not unidirectional,
            dropout=0.4 if nb_layers > 1 else 0.0,
        )
        self.fc2 = nn.Linear(2 * hidden_size, hidden_size, bias=False)
        self.bn2 = nn.BatchNorm1d(hidden_size)
        self.fc3 = nn.Linear(hidden_size, nb_channels * nb_bins, bias=False)
        self.bn3 = nn.BatchNorm1d(nb_channels * nb_bins)
        # The published files hold minus the mean, and one over the deviation, of the training data.
        self.input_mean = nn.Parameter(torch.zeros(seen))
        self.input_scale = nn.Parameter(torch.ones(seen))
        self.output_scale = nn.Parameter(torch.ones(nb_bins))
        self.output_mean = nn.Parameter(torch.ones(nb_bins))

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Estimate the stem's magnitudes: a mask, not negative and unbounded, times the mix's.

        Shape: ``(batch, channels, bins, frames)``, not negative → the same. The LSTM starts anew
        with each element of the batch.
        """
        mask = self.mask(magnitudes)
        # In place where nothing needs the mask any more: a fresh array of this size costs as much
        # in page faults as the layer in arithmetic.
        return mask * magnitudes if mask.requires_grad else mask.mul_(magnitudes)

    def mask(self, magnitudes: Tensor) -> Tensor:
        """The mask alone; shapes as in ``forward``."""
        batch, channels, _, frames = magnitudes.shape
        seen = magnitudes[:, :, : self.input_mean.numel()]
        mean, scale = self.input_mean[:, None], self.input_scale[:, None]
        normalised = torch.addcmul(mean * scale, seen, scale).reshape(batch, -1, frames)
        encoded = _normed(normalised, self.fc1, self.bn1).tanh()
        recalled, _ = self.lstm(encoded.permute(2, 0, 1))
        joined = torch.cat([encoded, recalled.permute(1, 2, 0)], dim=1)
        decoded = _normed(joined, self.fc2, self.bn2).relu()
        output = self.output_scale.repeat(channels), self.output_mean.repeat(channels)
        mask = _normed(decoded, self.fc3, self.bn3, output=output).relu_()
        return mask.reshape(magnitudes.shape)


def _normed(
    values: Tensor,
    linear: nn.Linear,
    norm: nn.BatchNorm1d,
    *,
    output: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Apply a linear layer, its batch norm and an output scale and mean to each frame.

    Shape: ``(batch, features, frames)`` → the same with other features. Statistics are those of a
    feature over batch and frames.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    ones = torch.ones_like(norm.running_mean)
    scale, mean = (ones, torch.zeros_like(ones)) if output is None else output
    if norm.training:
        normed = norm(_per_frame(values, linear.weight))
        return torch.addcmul(mean[:, None], normed, scale[:, None])
    gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
    offset = norm.bias - norm.running_mean * gain
    weight = linear.weight * (gain * scale)[:, None]
    return _per_frame(values, weight, offset * scale + mean)


def _per_frame(values: Tensor, weight: Tensor, offset: Tensor | None = None) -> Tensor:
    """``weight @ values + offset`` for ``(batch, features, frames)``.

    As a 1×1 convolution, which oneDNN computes up to twice as fast as MKL the matrix product.
    """
    kernel = weight[:, :, None, None]
    return F.conv2d(values.unsqueeze(-1), kernel, offset).squeeze(-1)
