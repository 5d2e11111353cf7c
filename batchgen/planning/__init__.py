"""Turn the rows of a table into the plan: the provider and the price of each row."""
