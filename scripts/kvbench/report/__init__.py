"""results/report.html, the planning page, the comparison of two folders, the gallery."""
