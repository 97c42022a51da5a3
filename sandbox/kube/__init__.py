"""A small asynchronous client of the Kubernetes API: requests, informers and Events.

The node and the balancer share it. It stands on aiohttp alone, because both also
serve with aiohttp: the official client's import would cost another 60 MB and a second.
"""
