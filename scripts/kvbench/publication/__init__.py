"""What others need to repeat and cite a run: commands by claim and figure, published verdicts, a crate."""
