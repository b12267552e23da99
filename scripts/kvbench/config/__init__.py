"""What rules know: settings in force, their checks, digests of code."""
