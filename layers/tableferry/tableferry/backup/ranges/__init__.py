"""A table cut into ranges of its primary key, of whatever columns, by looks into the index.

It knows the table and asks the server. It must not know what is read of a range, or by whom.
"""
