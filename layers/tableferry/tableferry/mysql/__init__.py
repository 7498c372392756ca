"""A connection that does what it is told, whatever the server's settings: login, session, retries, privileges.

It must not know what a table of the user's is.
"""
