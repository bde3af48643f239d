"""One module an architecture: `build(card, paths, settings)`, and `convert` for foreign files.

A card names its architecture by the module's name here, so adding one is adding a file.
"""
