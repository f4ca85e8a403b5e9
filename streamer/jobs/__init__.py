"""What a job is: values and decisions, no I/O, no clock of its own."""
