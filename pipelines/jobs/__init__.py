"""Batch evaluation: many stores of vectors by many tasks, unattended, resumed by digest."""
