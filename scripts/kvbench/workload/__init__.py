"""Workloads: seeded lists of requests and users' own files."""
