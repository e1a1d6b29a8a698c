"""Reads the records of an experiment, judges them, and draws tables, plots and the report."""
