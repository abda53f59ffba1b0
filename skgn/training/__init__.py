"""How steps are strung together to a fit."""
