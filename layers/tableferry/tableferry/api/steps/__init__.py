"""The steps of jobs over many functions, as state machines call them: direct invocations of the backup and restore function.

It turns events into steps and their errors into what the next ones tell of. It must not hold what a step does: that is
where the one-function way has it, in the folders of backup, manifest and restore.
"""
