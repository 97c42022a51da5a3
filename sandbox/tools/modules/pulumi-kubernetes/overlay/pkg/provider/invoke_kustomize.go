package provider

import "errors"

func kustomizeDirectory(...any) ([]any, error) {
	return nil, errors.New("this build of the provider is without Kustomize")
}
