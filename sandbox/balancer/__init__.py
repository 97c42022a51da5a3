"""The load balancer: the AWS Load Balancer Controller and its ALB, on one port of this machine.

It registers the ready endpoints of the Services that Ingresses of the class ``alb`` name, checks
their health itself as an ALB does, and routes by host and path. Where it differs on purpose: a
group whose targets all fail their health checks answers 503, while an ALB "fails open" and sends
requests to all of them. A wrong health check path so shows in a preview instead of in production.
"""
