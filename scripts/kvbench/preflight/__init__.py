"""What happens before the work: interpreter, lines on the terminal, imports."""
