"""Load balancer: the AWS Load Balancer Controller and its ALB, on one port of this machine.

It registers the ready endpoints of Services in Ingresses of the class ``alb``, checks their health
as an ALB does, and routes by host and path. One difference is intended: a group whose targets all
fail their health checks returns 503, while an ALB "fails open" and sends requests to all of them.
A wrong health check path is thus found in a preview instead of in production.
"""
