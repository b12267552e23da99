"""The figures under results/figures: `style.py` and one module a figure, data in, Figure out."""
