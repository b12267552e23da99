"""From finished runs to tables, verdicts and the parity gate."""
