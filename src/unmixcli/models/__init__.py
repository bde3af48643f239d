"""Models are data: cards, where their weights are, and how they become networks."""
