"""What the rules use: the settings in force, their checks, file paths and digests of the code."""
