"""Memory at the level of its commands: standards, controller, streams, checker, patterns."""
