package provider

import providerresource "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/resource"

// The components (yaml/v2, helm.sh/v4, kustomize/v2) need the whole Go SDK: left out.
var resourceProviders map[string]providerresource.ResourceProviderFactory
