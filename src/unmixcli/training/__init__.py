"""From a recipe and tracks to a model: packs, excerpts, augmentation, losses, the loop, export.

A recipe (`recipe`) is read whole and checked before anything runs. Tracks are decoded once into a
pack (`pack`), of which excerpts are cut by seeds (`excerpts`); the loop (`loop`) trains the very
model that separates afterwards, and `export` writes it as a folder that `unmix separate` takes.
"""
