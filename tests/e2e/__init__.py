"""A real Home Assistant, driven from outside as users and their browsers do."""
