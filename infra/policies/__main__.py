from infra.policies.pack import serve

serve()
