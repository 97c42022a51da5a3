package provider

import (
	"context"
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

var errNoHelm = errors.New("this build of the provider is without Helm")

// noHelm refuses every release at its first operation, which is always Check.
type noHelm struct{ customResourceProvider }

func newHelmReleaseProvider(...any) (customResourceProvider, error) { return noHelm{}, nil }

func (noHelm) Check(context.Context, *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return nil, errNoHelm
}

func isHelmRelease(urn resource.URN) bool { return urn.Type() == "kubernetes:helm.sh/v3:Release" }
