"""A fit as a function: penalties, streams, and what a fit leaves behind."""
