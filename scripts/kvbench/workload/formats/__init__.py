"""Files of users' requests, a format a module."""
