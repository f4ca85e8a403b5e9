"""A module of actions that has none: a process that loads it cannot load the classes that make spans."""

import sys

for name in ("app.traced", "streamer.traced", "streamer.telemetry.sdk", "opentelemetry.sdk"):
    sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails (importlib, "sys.modules")
