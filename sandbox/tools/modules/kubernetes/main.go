// Command kubernetes is etcd, the Kubernetes control plane, metrics-server, the kubelet and kubectl
// in one binary, which acts as the program whose name it was started by.
//
// Linked one by one they share nine tenths of their packages, and linking five times
// takes longer than compiling what differs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	_ "time/tzdata" // the time zones of CronJobs

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/server"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	generated "k8s.io/kubernetes/pkg/generated/openapi"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app/options"
	"sigs.k8s.io/metrics-server/pkg/api"
)

var programs = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) },
	"kube-controller-manager": func() { os.Exit(cli.Run(controllermanager.NewControllerManagerCommand())) },
	"kube-scheduler":          func() { os.Exit(cli.Run(scheduler.NewSchedulerCommand())) },
	"kubelet":                 func() { os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background()))) },
	"metrics-server":          metricsServer,
	"kubectl":                 kubectl,
	"cri-descriptors":         criDescriptors,
}

// criDescriptors prints the messages of the Container Runtime Interface as a protobuf
// FileDescriptorSet, for the runtime that this kubelet talks to.
func criDescriptors() {
	file := protodesc.ToFileDescriptorProto(cri.File_staging_src_k8s_io_cri_api_pkg_apis_runtime_v1_api_proto)
	content, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	util.CheckErr(err)
	_, err = os.Stdout.Write(content)
	util.CheckErr(err)
}

// metricsServer is its published command, but that it describes its API as this Kubernetes does:
// it was published for an earlier one, which named the types of an API otherwise.
func metricsServer() {
	o := options.NewOptions()
	command := &cobra.Command{Use: "metrics-server", Args: cobra.NoArgs, SilenceUsage: true}
	for _, flags := range o.Flags().FlagSets {
		command.Flags().AddFlagSet(flags)
	}
	command.RunE = func(*cobra.Command, []string) error {
		if errs := o.Validate(); len(errs) > 0 {
			return errors.Join(errs...)
		}
		config, err := o.ServerConfig()
		if err != nil {
			return err
		}
		namer := openapi.NewDefinitionNamer(api.Scheme)
		config.Apiserver.OpenAPIConfig = server.DefaultOpenAPIConfig(generated.GetOpenAPIDefinitions, namer)
		config.Apiserver.OpenAPIV3Config = server.DefaultOpenAPIV3Config(generated.GetOpenAPIDefinitions, namer)
		prepared, err := config.Complete()
		if err != nil {
			return err
		}
		return prepared.RunUntil(server.SetupSignalHandler())
	}
	os.Exit(cli.Run(command))
}

func kubectl() {
	// The verbosity has to be known while the command is put together, before its flags are parsed.
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}

func main() {
	name := filepath.Base(os.Args[0])
	program, known := programs[name]
	if !known {
		names := make([]string, 0, len(programs))
		for each := range programs {
			names = append(names, each)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "%s: start this binary by a link named as one of: %s\n", name, strings.Join(names, ", "))
		os.Exit(2)
	}
	program()
}
