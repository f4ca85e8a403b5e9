"""Where jobs, connections and processes are kept: one contract, two engines."""
