"""For every test, in whichever process: the frameworks' remarks on the machine are kept out of pytest's report."""

import project  # noqa: F401  (says so to TensorFlow, which is loaded later)
