"""Analysis of finished runs: tables, verdicts on claims, and the parity gate."""
