"""Separators: blocks of the mix in, blocks of stems out."""
