"""Check a job without sending anything: its problems, cost, time and budgets."""
