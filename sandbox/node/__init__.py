"""The node: a kubelet whose containers are processes of this machine.

It honours every field in ``supported.POD`` and refuses every other one by name. Where a
container's surroundings differ from those on a real node:

- Pods share the machine's network. Each has an address of its own and has to bind to that
  one (``status.podIP``), not to 0.0.0.0. NetworkPolicies are stored and not enforced; names
  of Services and their cluster addresses are not served.
- A CPU limit is shown to the container (``resourceFieldRef``) and not enforced; a request
  only counts for the scheduler. A memory limit is enforced by looking, four times a second
  (``memory.py``); a storage limit every ten seconds, as by the kubelet.
- A volume of medium ``Memory`` is a folder on disk that is emptied when the node starts.
- The seccomp and AppArmor profile ``RuntimeDefault`` is accepted, and no filter applied. No
  process ever has capabilities or can gain privileges.
- A process has one group. The Pod's ``fsGroup`` owns its volumes, and what that group may,
  each of the Pod's processes may.
- Containers of a Pod see each other's processes, as everybody on this machine does.
"""
