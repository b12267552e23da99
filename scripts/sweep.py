"""Removes the temporary folders of this user's calls that were killed: those whose owner is dead.

    python3 scripts/sweep.py

Needs no environment. Copies of scripts in .snakemake go with the next call.
"""

from kvbench.lifetime.scratch import sweep

if __name__ == "__main__":
    for folder in sweep():
        print(f"removed {folder}")
