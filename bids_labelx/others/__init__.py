"""What other programs extracted, laid out as this app's own results: a module for each program."""
