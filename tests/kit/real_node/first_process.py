"""The first process of the node's namespaces: the kernel ends all others when it ends.

It hides the folders it is given under empty ones, collects children whose parents are gone, and ends with its input.
"""

import signal
import subprocess
import sys

for place in sys.argv[1:]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "vlm-real", place], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
