"""Evaluation: models, oracles and other tools' stems, scored on data sets, aggregated, reported."""
