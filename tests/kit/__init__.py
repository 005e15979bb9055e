"""The test kit: what tests, the demo and the benches share; no part of what is installed.

Belongs here: a real control plane on this machine (``kit.control_plane``), GPU nodes that play recorded start-ups
(``kit.simulated_node``), and what happens to a log on its way to the reader (``kit.log_forms``, ``kit.log_damage``).
Does not: a memory model, or an expectation of one test.
"""
