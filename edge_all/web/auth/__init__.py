"""Accounts, browser sessions and the limit of failed logins."""
