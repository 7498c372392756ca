"""What developers run: setting up, locks, generated documents, the matrix of servers."""
