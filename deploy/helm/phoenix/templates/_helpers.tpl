{{- define "phoenix.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names of the two halves. */}}
{{- define "phoenix.agent" -}}{{ include "phoenix.fullname" . }}-agent{{- end -}}
{{- define "phoenix.controlPlane" -}}{{ include "phoenix.fullname" . }}-control-plane{{- end -}}
{{- define "phoenix.enrollment" -}}
{{- default (printf "%s-enrollment" (include "phoenix.fullname" .)) .Values.agent.enrollmentToken.existingSecret -}}
{{- end -}}

{{/* Labels that select; what follows is (list context component). */}}
{{- define "phoenix.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "phoenix.labels" -}}
{{- $root := index . 0 -}}
{{ include "phoenix.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* The image; what follows is (list context image path-of-the-value). */}}
{{- define "phoenix.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $missing := printf "%s.repository is not set: push the image that `make image` builds to a registry of yours, and name it there" (index . 2) -}}
{{- $repository := required $missing $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "phoenix.agent.serviceAccount" -}}
{{- with .Values.agent.serviceAccount -}}
{{- if .create -}}{{ default (include "phoenix.agent" $) .name }}{{- else -}}{{ default "default" .name }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "phoenix.controlPlane.serviceAccount" -}}
{{- with .Values.controlPlane.serviceAccount -}}
{{- if .create -}}{{ default (include "phoenix.controlPlane" $) .name }}{{- else -}}{{ default "default" .name }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The control plane that agents join; empty if there is none. */}}
{{- define "phoenix.endpoint" -}}
{{- if .Values.agent.controlPlane.endpoint -}}
{{- .Values.agent.controlPlane.endpoint -}}
{{- else if .Values.controlPlane.enabled -}}
{{- $scheme := ternary "wss" "ws" (ne .Values.controlPlane.tls.existingSecret "") -}}
{{- printf "%s://%s.%s.svc:%d/v1/opamp" $scheme (include "phoenix.controlPlane" .) .Release.Namespace (int .Values.controlPlane.service.fleetPort) -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the control plane's authorities: what is said, else that of this release's control plane. */}}
{{- define "phoenix.caSecret" -}}
{{- if .Values.agent.controlPlane.caSecret -}}
{{- .Values.agent.controlPlane.caSecret -}}
{{- else if and .Values.controlPlane.enabled (not .Values.agent.controlPlane.endpoint) -}}
{{- .Values.controlPlane.tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* The agent's config: that of the values, and the control plane. */}}
{{- define "phoenix.config" -}}
{{- $config := deepCopy .Values.agent.config -}}
{{- $endpoint := include "phoenix.endpoint" . -}}
{{- if $endpoint -}}
{{- $join := dict "endpoint" $endpoint "token_file" "/etc/phoenix/enrollment/token" -}}
{{- if include "phoenix.caSecret" . -}}{{- $_ := set $join "ca_file" "/etc/phoenix/ca/ca.crt" -}}{{- end -}}
{{- $config = mergeOverwrite (dict "phoenix" (dict "control_plane" $join)) $config -}}
{{- end -}}
{{- $health := false -}}
{{- range (dig "service" "extensions" list $config) -}}{{- if hasPrefix "health_check" . -}}{{- $health = true -}}{{- end -}}{{- end -}}
{{- if not $health -}}{{- fail "agent.config.service.extensions names no health_check, which the pod's probes ask: a list in values replaces that of the chart, so name it again" -}}{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "phoenix.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "phoenix.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
