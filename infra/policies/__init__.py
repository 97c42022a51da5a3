"""Policies on the resources of a stack, as pure functions.

| module | subject of its rules |
|---|---|
| `databases` | encryption, access and final snapshots |
| `networks` | ingress rules of security groups |
| `ownership` | types, names and tags of a preview's resources |
| `identities` | permissions of a preview's role |
| `pods` | confinement and images of pods |
| `ingresses` | hosts and annotations of an Ingress |
| `disclosure` | passwords in plain text |
| `wiring` | references between Kubernetes objects |
| `sizes` | size of a stack, and thereby its cost |

`catalogue` lists the rules. `pack` is the pulumi-policy pack that CI makes mandatory, `check`
applies them to a stack's exported state.
"""
