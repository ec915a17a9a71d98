"""Accounts, permissions, browser sessions, rate limits."""
