"""Tensors in, tensors out: transforms, masks and filters; no files, no networks."""
