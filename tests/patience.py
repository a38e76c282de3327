"""How long a test waits for what will come: its result must not depend on how busy the machine is."""

HANG = 900  # seconds that only what hangs will take; a test that fails says so within a run of CI
