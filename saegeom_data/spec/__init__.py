"""Specs of runs: YAML read strictly into models."""
