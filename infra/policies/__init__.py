"""What no stack may do, as pure functions over resources.

| module | what its rules guard |
|---|---|
| `databases` | data at rest, and what is left of it |
| `networks` | who may get in |
| `ownership` | whose a resource is, and what a preview may hold |
| `identities` | what a preview's role may do |
| `pods` | how pods are confined, and which image they run |
| `front_door` | what an Ingress may claim |
| `disclosure` | passwords where they can be read |
| `wiring` | that Kubernetes objects find each other |
| `sizes` | what a stack may cost |

`catalogue` lists the rules. `pack` is the pulumi-policy pack that CI makes mandatory, `check`
goes over a stack's exported state.
"""
