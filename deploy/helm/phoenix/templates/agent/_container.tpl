{{/* Ports of the agent's own listeners: beside a Collector in one pod, those that `phoenix adopt` gives them. */}}
{{- define "phoenix.agent.adminPort" -}}{{ ternary 18888 8888 (eq .Values.agent.mode "sidecar") }}{{- end -}}
{{- define "phoenix.agent.healthPort" -}}{{ ternary 18133 13133 (eq .Values.agent.mode "sidecar") }}{{- end -}}

{{/* The agent's container, of a pod of its own or of a Collector's. */}}
{{- define "phoenix.agent.container" -}}
{{- with .Values.agent -}}
name: {{ ternary "phoenix-agent" "agent" (eq .mode "sidecar") }}
image: {{ include "phoenix.image" (list $ .image "agent.image") }}
imagePullPolicy: {{ .image.pullPolicy }}
args:
  - --config=/etc/phoenix/agent/config.yaml
  {{- with .command.extraArgs }}{{ toYaml . | nindent 2 }}{{ end }}
securityContext:
  {{- include "phoenix.containerSecurity" $ | nindent 2 }}
  {{- if eq .mode "sidecar" }}
  {{- /* The pod is the Collector's, whose user may be another. */}}
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
  {{- end }}
env:
  - name: MY_POD_IP
    valueFrom: { fieldRef: { fieldPath: status.podIP } }
  - name: OTEL_K8S_NODE_NAME
    valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
  - name: OTEL_K8S_NAMESPACE
    valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
  - name: OTEL_K8S_POD_NAME
    valueFrom: { fieldRef: { fieldPath: metadata.name } }
  - name: OTEL_K8S_POD_UID
    valueFrom: { fieldRef: { fieldPath: metadata.uid } }
  {{- $attributes := dict }}
  {{- if eq .mode "deployment" }}
  {{- /* Gateways of one node are no two agents of it: each is a host of its own. */}}
  {{- $attributes = dict "host.id" "$(OTEL_K8S_POD_UID)" "host.name" "$(OTEL_K8S_POD_NAME)" }}
  {{- end }}
  {{- $attributes = merge $attributes $.Values.resourceAttributes }}
  {{- if $attributes }}
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: "{{ range $i, $key := keys $attributes | sortAlpha }}{{ if $i }},{{ end }}{{ $key }}={{ get $attributes $key }}{{ end }}"
  {{- end }}
  {{- with .extraEnvs }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with .extraEnvsFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- if ne .mode "sidecar" }}
  {{- range $name, $port := .ports }}
  {{- if $port.enabled }}
  - name: {{ $name }}
    containerPort: {{ $port.containerPort }}
    protocol: {{ $port.protocol }}
    {{- with $port.hostPort }}
    hostPort: {{ . }}
    {{- end }}
  {{- end }}
  {{- end }}
  {{- end }}
  {{- $prefix := ternary "phoenix-" "" (eq .mode "sidecar") }}
  - { name: {{ $prefix }}metrics, containerPort: {{ include "phoenix.agent.adminPort" $ }}, protocol: TCP }
  - { name: {{ $prefix }}health, containerPort: {{ include "phoenix.agent.healthPort" $ }}, protocol: TCP }
livenessProbe:
  httpGet: { path: /, port: {{ $prefix }}health }
  {{- toYaml .livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: { path: /ready, port: {{ $prefix }}health }
  {{- toYaml .readinessProbe | nindent 2 }}
resources: {{- toYaml .resources | nindent 2 }}
volumeMounts:
  - { name: {{ $prefix }}config, mountPath: /etc/phoenix/agent, readOnly: true }
  - { name: {{ $prefix }}data, mountPath: /var/lib/phoenix }
  {{- if include "phoenix.endpoint" $ }}
  - { name: {{ $prefix }}enrollment, mountPath: /etc/phoenix/enrollment, readOnly: true }
  {{- if include "phoenix.caSecret" $ }}
  - { name: {{ $prefix }}ca, mountPath: /etc/phoenix/ca, readOnly: true }
  {{- end }}
  {{- end }}
  {{- with .extraVolumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "phoenix.agent.volumes" -}}
{{- with .Values.agent -}}
{{- $sidecar := eq .mode "sidecar" -}}
{{- $prefix := ternary "phoenix-" "" $sidecar -}}
- name: {{ $prefix }}config
  configMap: { name: {{ include "phoenix.agent" $ }} }
- name: {{ $prefix }}data
  {{- toYaml .dataVolume | nindent 2 }}
{{- if include "phoenix.endpoint" $ }}
- name: {{ $prefix }}enrollment
  # Optional, so that pods start before the control plane has given anybody a token. In a Collector's pod, whose group is not
  # Phoenix's, a file of a Secret can be read by every container that mounts it.
  secret: { secretName: {{ include "phoenix.enrollment" $ }}, optional: true, defaultMode: {{ ternary "0444" "0440" $sidecar }}, items: [{ key: token, path: token }] }
{{- with include "phoenix.caSecret" $ }}
- name: {{ $prefix }}ca
  secret: { secretName: {{ . }}, defaultMode: 0444, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- end }}
{{- with .extraVolumes }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}
{{- end -}}
