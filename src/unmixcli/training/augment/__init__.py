"""Augmentation: what may be done to stems so that a network hears more than the data set holds.

Audio is `(..., channels, samples)` float32 at full scale 1. An effect comes twice: as a function
of its physical settings (`scaled`, `filtered`, `compressed`, ...) and as one that draws them
(`gain`, `equalisation`, `compression`, ...) from the generator of a `Draw`. The strength of a draw
lies in 0 to 1, and 0 returns the signal as it is. No effect changes its input.
"""
