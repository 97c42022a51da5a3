// What is downloaded, checked against go.sum beside it, and copied to ../source before the build.
module sandbox/pulumi-published

go 1.26

require github.com/pulumi/pulumi/pkg/v3 v3.274.1
