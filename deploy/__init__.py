"""Jarship: release one Spring Boot service to a few Linux hosts."""
