"""Counting each cell once: tracker, cell table, landmarks, view fusion."""
