"""Processing in memory: devices as data, command streams, controllers, systems."""
