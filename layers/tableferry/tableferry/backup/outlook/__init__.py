"""How a backup will go: over how many functions, for how long, for how much money. Nothing is written or locked for it.

It knows the catalog, what is set and allowed, and earlier backups. It must not know how a backup is made.
"""
