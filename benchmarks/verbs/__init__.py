"""`make bench`: load, backup, restore and insert beside the plain ways, and what else is timed alone."""
