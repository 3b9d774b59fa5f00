"""What a filesystem is configured with: arguments, options and component settings, checked and converted."""
