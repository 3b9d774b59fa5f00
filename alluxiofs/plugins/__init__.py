"""The built-in plugins, registered by the same hooks as anyone's: one file a component."""
