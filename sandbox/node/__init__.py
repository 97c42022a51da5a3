"""The node: Kubernetes' own kubelet, on a container runtime that uses this machine.

The runtime (this room's process) serves the Container Runtime Interface to the kubelet, and
starts containers with bubblewrap. Differences from a real node:

- Pods share the machine's network. Each has its own address, to which the node binds
  a process that wants all of them. Names of Services and their cluster addresses are not
  served.
- NetworkPolicies are enforced where a connection is opened (``network.py``), not on packets.
- A CPU limit is shown to the container (``resourceFieldRef``) and not enforced; a request
  only counts for the scheduler. A memory limit is enforced by polling, four times a second
  (``usage.py``); a storage limit by the kubelet, every ten seconds.
- Volumes are folders on disk, of the kinds in ``volumes.py``.
- The seccomp and AppArmor profile ``RuntimeDefault`` is accepted, and not applied. No
  process ever has capabilities or can gain privileges.
- Without root, a process has one group, and all files of others have the same foreign owner.
"""
