// Package register imports the generators that the sandbox has something to answer for.
package register

import (
	_ "github.com/external-secrets/external-secrets/pkg/generator/fake"
	_ "github.com/external-secrets/external-secrets/pkg/generator/password"
	_ "github.com/external-secrets/external-secrets/pkg/generator/sts"
	_ "github.com/external-secrets/external-secrets/pkg/generator/uuid"
)
