"""Where runs are executed: on this machine now, on many later."""
