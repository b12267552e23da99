"""Makes results/report.html, the planning page, the comparison of two folders and the gallery."""
