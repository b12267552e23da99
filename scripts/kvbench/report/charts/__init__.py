"""Interactive charts of the report: each beside a figure, from the tables and loaders that the figure is drawn from."""
