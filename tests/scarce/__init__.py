"""Runs of real processes to which the system gives little: files, sockets, sizes."""
