package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/mount-utils"

	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
)

// Previews ask for production's share of a processor and idle nearly all the time. Requests
// only decide whether a Pod is scheduled, so a machine offers more processors than it has.
const cpuOvercommit = 8

// A tick of /proc/stat is a hundredth of a second on every architecture that Go runs on.
const nanosecondsPerTick = 1e7

// withoutRoot replaces what of the kubelet needs root, cgroups or mounts: as kubemark does, but
// with the machine's own capacity and a real container runtime behind the CRI.
func withoutRoot(s *options.KubeletServer, deps *kubelet.Dependencies) {
	kubelet.ContainerLogsDir = filepath.Join(s.RootDirectory, "containers")
	host := &machine{folder: s.RootDirectory}
	deps.CAdvisorInterface = host
	deps.ContainerManager = withoutCgroups{cm.NewStubContainerManager(), host}
	deps.OOMAdjuster = oom.NewFakeOOMAdjuster()
	deps.OSInterface = withoutLegacyLinks{}
	// A volume of medium Memory, and each Secret, is a folder on disk.
	deps.Mounter = mount.NewFakeMounter(nil).WithSkipMountPointCheck()
	deps.HostUtil = withoutMountPropagation{hostutil.NewHostUtil()}
	deps.Subpather = withoutBindMounts{subpath.New(deps.Mounter)}
	// Every other kind would be "mounted" and empty: this way the kubelet refuses it by name.
	deps.VolumePlugins = slices.Concat(
		emptydir.ProbeVolumePlugins(),
		secret.ProbeVolumePlugins(),
		configmap.ProbeVolumePlugins(),
		downwardapi.ProbeVolumePlugins(),
		projected.ProbeVolumePlugins(),
	)
}

// withoutCgroups knows the size of the disk, and manages nothing.
type withoutCgroups struct {
	cm.ContainerManager
	host *machine
}

func (c withoutCgroups) GetCapacity(bool) v1.ResourceList {
	disk, err := c.host.RootFsInfo()
	if err != nil {
		return v1.ResourceList{}
	}
	size := resource.NewQuantity(int64(disk.Capacity), resource.BinarySI)
	return v1.ResourceList{v1.ResourceEphemeralStorage: *size}
}

// withoutLegacyLinks makes no links in /var/log/containers, a folder of the machine's own.
type withoutLegacyLinks struct{ kubecontainer.RealOS }

func (withoutLegacyLinks) Symlink(string, string) error { return nil }

// withoutMountPropagation leaves the machine's mounts as they are.
type withoutMountPropagation struct{ *hostutil.HostUtil }

func (withoutMountPropagation) MakeRShared(string) error { return nil }

// withoutBindMounts gives the folder itself for a subPath, where a bind mount would pin it.
type withoutBindMounts struct{ subpath.Interface }

func (withoutBindMounts) PrepareSafeSubpath(each subpath.Subpath) (string, func(), error) {
	path, err := filepath.EvalSymlinks(each.Path)
	if err == nil && !mount.PathWithinBase(path, each.VolumePath) {
		err = &os.PathError{Op: "subPath", Path: each.Path, Err: os.ErrPermission}
	}
	return path, nil, err
}

func (withoutBindMounts) CleanSubPaths(string, string) error { return nil }

// machine answers what cAdvisor knows of a node, without cgroups.
type machine struct{ folder string }

func (*machine) Start() error { return nil }

// ContainerInfoV2 returns the use of the whole machine, whatever cgroup is asked for: it is asked
// for the root alone. What containers use, the container runtime reports.
func (*machine) ContainerInfoV2(name string, _ cadvisorapiv2.RequestOptions) (map[string]cadvisorapiv2.ContainerInfo, error) {
	var user, nice, system, total, available uint64
	if _, err := fmt.Sscanf(line("/proc/stat"), "cpu %d %d %d", &user, &nice, &system); err != nil {
		return nil, err
	}
	content, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	for _, each := range strings.Split(string(content), "\n") {
		_, _ = fmt.Sscanf(each, "MemTotal: %d", &total)
		_, _ = fmt.Sscanf(each, "MemAvailable: %d", &available)
	}
	used := (total - available) * 1024
	stats := &cadvisorapiv2.ContainerStats{
		Timestamp: time.Now(),
		Cpu:       &cadvisorapi.CpuStats{Usage: cadvisorapi.CpuUsage{Total: (user + nice + system) * nanosecondsPerTick}},
		Memory:    &cadvisorapi.MemoryStats{Usage: used, WorkingSet: used, RSS: used},
	}
	spec := cadvisorapiv2.ContainerSpec{HasCpu: true, HasMemory: true}
	return map[string]cadvisorapiv2.ContainerInfo{name: {Spec: spec, Stats: []*cadvisorapiv2.ContainerStats{stats}}}, nil
}

func (*machine) GetRequestedContainersInfo(string, cadvisorapiv2.RequestOptions) (map[string]*cadvisorapi.ContainerInfo, error) {
	return map[string]*cadvisorapi.ContainerInfo{}, nil
}

func (*machine) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, err
	}
	return &cadvisorapi.MachineInfo{
		NumCores:       runtime.NumCPU() * cpuOvercommit,
		MemoryCapacity: uint64(info.Totalram) * uint64(info.Unit),
		BootID:         line("/proc/sys/kernel/random/boot_id"),
		MachineID:      line("/etc/machine-id"),
	}, nil
}

func (*machine) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	version := &cadvisorapi.VersionInfo{KernelVersion: unix.ByteSliceToString(name.Release[:])}
	content, _ := os.ReadFile("/etc/os-release")
	for _, each := range strings.Split(string(content), "\n") {
		if value, found := strings.CutPrefix(each, "PRETTY_NAME="); found {
			version.ContainerOsVersion = strings.Trim(value, `"`)
		}
	}
	return version, nil
}

func (m *machine) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) {
	return m.GetDirFsInfo(m.folder)
}

func (m *machine) ContainerFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) {
	return m.GetDirFsInfo(m.folder)
}

func (m *machine) RootFsInfo() (cadvisorapiv2.FsInfo, error) {
	return m.GetDirFsInfo(m.folder)
}

func (*machine) GetDirFsInfo(path string) (cadvisorapiv2.FsInfo, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(path, &disk); err != nil {
		return cadvisorapiv2.FsInfo{}, err
	}
	block := uint64(disk.Bsize)
	return cadvisorapiv2.FsInfo{
		Mountpoint: path,
		Capacity:   disk.Blocks * block,
		Available:  disk.Bavail * block,
		Usage:      (disk.Blocks - disk.Bfree) * block,
		Inodes:     &disk.Files,
		InodesFree: &disk.Ffree,
	}, nil
}

func line(path string) string {
	content, _ := os.ReadFile(path)
	return strings.TrimSpace(string(content))
}
