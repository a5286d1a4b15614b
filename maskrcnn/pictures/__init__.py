"""Pictures and charts. They are made here, and shown nowhere."""
