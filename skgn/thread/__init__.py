"""The equations of the forum thread that this package grew out of."""
