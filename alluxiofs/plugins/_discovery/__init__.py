"""What memberships that look for workers have in common."""
