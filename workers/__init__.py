"""The process that drains the queue."""
