"""The node: Kubernetes' own kubelet, over a container runtime that is made of this machine.

The runtime (this room's process) answers the kubelet by the Container Runtime Interface;
containers are started with bubblewrap. Where a container's surroundings differ from those on a
real node:

- Pods share the machine's network. Each has an address of its own and has to bind to that
  one (``status.podIP``), not to 0.0.0.0. NetworkPolicies are stored and not enforced; names
  of Services and their cluster addresses are not served.
- A CPU limit is shown to the container (``resourceFieldRef``) and not enforced; a request
  only counts for the scheduler. A memory limit is enforced by looking, four times a second
  (``usage.py``); a storage limit by the kubelet, every ten seconds.
- A volume of medium ``Memory`` is a folder on disk.
- The seccomp and AppArmor profile ``RuntimeDefault`` is accepted, and no filter applied. No
  process ever has capabilities or can gain privileges.
- Without root a process has one group, and its own files are all that it can see as its own.
"""
