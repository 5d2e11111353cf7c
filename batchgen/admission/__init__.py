"""Which part may be sent now: queues, slots, rate, budget, breaker, failover."""
