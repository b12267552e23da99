"""Manifests: what a finished job read and wrote, and whether the files on the disk are still those."""
