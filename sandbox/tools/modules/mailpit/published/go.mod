// What is downloaded, checked against go.sum beside it, and copied to ../source before the build.
module sandbox/mailpit-published

go 1.26.0

require github.com/axllent/mailpit v1.33.1
