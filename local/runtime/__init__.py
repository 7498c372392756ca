"""The parts of the local runtime: a database, S3 and the functions, started one after the other and watched."""
