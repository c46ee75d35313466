"""Sums over closed buckets of UTC time, kept by the database itself: filled, marked where they no longer hold, filled anew, proved."""
