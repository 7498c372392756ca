"""Good rows into a table, inside a transaction; those that the database refuses are named, each with its reason.

It must not know where the rows come from.
"""
