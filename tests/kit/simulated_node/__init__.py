"""Simulated GPU nodes that play records: a model server's pod serves or fails as a published start-up of it did.

Belongs here: records, what follows from a record for given flags, the wording of each vLLM release, and the process
that writes pod statuses and logs on KWOK nodes. Does not: this project's own memory model. The truth of a simulated
node is what a real boot printed, so that a wrong prediction shows as a failed start-up.
"""

from kit.simulated_node.playback import Outcome, play
from kit.simulated_node.records import Record, choose, load_records

__all__ = ["Outcome", "Record", "choose", "load_records", "play"]
