"""This machine: its hardware and packages, its limits, and locks that keep jobs apart."""
