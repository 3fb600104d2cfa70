"""The command line: Typer for the commands, Rich for what they show."""
