"""Programs that draw images of a graph with other runtimes, each in an interpreter of its own."""
