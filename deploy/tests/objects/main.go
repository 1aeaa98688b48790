// Reads objects of Kubernetes from standard input into their own types, and ends with 1 if one has a field that its type has
// not, or none of a type that is known. Objects of Prometheus' operator have no types here; they only need a name.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

type untyped struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            map[string]any `json:"spec"`
}

func known(kind string) any {
	switch kind {
	case "v1 ConfigMap":
		return &core.ConfigMap{}
	case "v1 Secret":
		return &core.Secret{}
	case "v1 Service":
		return &core.Service{}
	case "v1 ServiceAccount":
		return &core.ServiceAccount{}
	case "apps/v1 DaemonSet":
		return &apps.DaemonSet{}
	case "apps/v1 Deployment":
		return &apps.Deployment{}
	case "apps/v1 StatefulSet":
		return &apps.StatefulSet{}
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return &autoscaling.HorizontalPodAutoscaler{}
	case "batch/v1 Job":
		return &batch.Job{}
	case "rbac.authorization.k8s.io/v1 Role":
		return &rbac.Role{}
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		return &rbac.RoleBinding{}
	case "v1 Pod":
		return &core.Pod{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networking.NetworkPolicy{}
	case "policy/v1 PodDisruptionBudget":
		return &policy.PodDisruptionBudget{}
	case "monitoring.coreos.com/v1 PodMonitor", "monitoring.coreos.com/v1 PrometheusRule", "monitoring.coreos.com/v1 ServiceMonitor":
		return &untyped{}
	}
	return nil
}

func check(text []byte) error {
	var head meta.TypeMeta
	if err := yaml.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("no YAML: %w", err)
	}
	object := known(head.APIVersion + " " + head.Kind)
	if object == nil {
		return fmt.Errorf("no type is known of %s %q", head.APIVersion, head.Kind)
	}
	// As the API server does it, which tells capitals from small letters.
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return fmt.Errorf("%s: %w", head.Kind, err)
	}
	if wrong, err := json.UnmarshalStrict(document, object); err != nil || len(wrong) > 0 {
		return fmt.Errorf("%s: %w", head.Kind, errors.Join(append(wrong, err)...))
	}
	name := object.(meta.ObjectMetaAccessor).GetObjectMeta().GetName()
	if name == "" {
		return fmt.Errorf("%s: it has no name", head.Kind)
	}
	fmt.Printf("  %s/%s\n", head.Kind, name)
	return nil
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	wrong := 0
	for _, object := range bytes.Split(append([]byte("\n"), text...), []byte("\n---\n")) {
		if len(bytes.TrimSpace(object)) == 0 {
			continue
		}
		if err := check(object); err != nil {
			fmt.Fprintln(os.Stderr, err)
			wrong++
		}
	}
	if wrong > 0 {
		os.Exit(1)
	}
}
