"""What is said on the wire: values, and how they are read and written. No I/O."""
