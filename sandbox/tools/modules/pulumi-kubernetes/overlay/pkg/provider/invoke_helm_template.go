package provider

// HelmChartOpts holds what the provider itself reads of a chart's options.
type HelmChartOpts struct{ Namespace string }

func helmTemplate(...any) (string, error) { return "", errNoHelm }
