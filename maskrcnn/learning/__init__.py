"""What is known only while learning: matches, samples, targets and losses."""
