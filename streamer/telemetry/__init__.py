"""What a process tells about itself: numbers and lines."""
