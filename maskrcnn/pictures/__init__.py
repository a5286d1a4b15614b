"""Pictures and charts. Functions return figures; none is displayed."""
