"""Stages: the way of the data as work that is skipped when done, resumed when interrupted, and explained when done again."""
