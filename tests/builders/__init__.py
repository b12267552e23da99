"""What tests build: runs by hand, models, tiny engines, copies of the project."""
