"""One engine on one workload, from load to files."""
