"""From the rows of a table to the plan: who makes each row, and for how much."""
