"""Tuned settings, one YAML file for each (data set, model)."""
