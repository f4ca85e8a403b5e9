"""What `streamer doctor` looks at, one module each."""
