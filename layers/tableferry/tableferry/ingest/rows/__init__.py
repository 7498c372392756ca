"""Is this a row of that table? Every problem with its row, column and reason; nothing is rounded or cut.

It knows no connection and no file.
"""
