// Package resource defines how a component of the provider is made; this build has none.
package resource

// ResourceProviderFactory makes a component.
type ResourceProviderFactory struct{}
