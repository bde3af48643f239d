"""Harmonic and percussive: classical methods, learned ones, and the phase of what they give."""
