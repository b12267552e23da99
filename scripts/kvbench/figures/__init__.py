"""The figures in results/figures: one module per figure makes a Figure from data; `style.py` is the common style."""
