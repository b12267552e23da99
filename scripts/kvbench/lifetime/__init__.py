"""How a job ends: with its Snakemake, at its limit, at a signal; and what it leaves behind, which is nothing."""
