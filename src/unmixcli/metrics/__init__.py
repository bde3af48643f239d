"""How good is a separation: one module a task, each validate, metrics, evaluate.

``bss_eval`` (SDR, ISR, SIR, SAR), ``ratios`` (SI-SDR, NSDR, global SDR and more), ``melody``,
``activity`` and ``oracles`` (the best that masks can do). Nothing here reads files.

``unmixcli.metrics.bss_eval`` is the function, not its module, whose other names (``BssOptions``,
``evaluate``, ``validate``) are imported with ``from unmixcli.metrics.bss_eval import …``.
"""

from __future__ import annotations

from unmixcli.metrics.bss_eval import BssOptions, BssScores, bss_eval

__all__ = ["BssOptions", "BssScores", "bss_eval"]
