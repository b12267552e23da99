"""Machines against metrics: the tables of several result folders or galleries side by side."""
