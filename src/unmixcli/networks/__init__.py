"""Torch modules, one architecture a file; nothing here touches a file."""
