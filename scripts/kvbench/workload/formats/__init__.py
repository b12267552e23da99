"""Readers of users' request files, one module per format."""
