"""A real node on this machine: kubelet, containerd, and pods that run vLLM's CPU build. Only the GPU is simulated.

Belongs here: what the tests of ``tests/real`` and ``hack/real/run`` need of the machine. Does not: the control plane
(``kit.control_plane``), or what a test expects.
"""
