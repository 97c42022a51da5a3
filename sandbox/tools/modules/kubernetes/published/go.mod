// What is downloaded, checked against go.sum beside it, and copied to ../source before the build.
module sandbox/kubernetes-published

go 1.26.0

require k8s.io/kubernetes v1.36.3
