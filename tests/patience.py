"""How long a test waits for what will come: its result must not depend on how busy the machine is."""

HANG = 3600  # seconds that only what hangs will take
