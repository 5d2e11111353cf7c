"""Turn the rows of a table into the plan: who makes each row, and for how much."""
