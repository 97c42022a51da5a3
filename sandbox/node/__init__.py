"""The node: a kubelet whose containers are processes of this machine."""
