// What is downloaded, checked against go.sum beside it, and copied to ../source before the build.
module sandbox/external-secrets-published

go 1.25.1

require github.com/external-secrets/external-secrets v0.20.4
