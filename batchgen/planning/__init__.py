"""Turn the rows of a table into the plan: which provider makes each row, at which price."""
