"""`make bench-cold`: how long a call waits that finds no process of its function warm."""
