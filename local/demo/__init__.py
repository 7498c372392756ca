"""The main job, end to end, as a user would do it: over HTTP and S3 alone."""
