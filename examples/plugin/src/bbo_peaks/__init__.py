"""An example of a package that adds a task and a method to offline-bbo."""
