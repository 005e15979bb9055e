{{- define "vlm-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vlm-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "vlm-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "vlm-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "vlm-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vlm-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vlm-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "vlm-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "vlm-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vlm-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "vlm-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* What the operator may do where VLMDeployments live. No Secrets, no wildcards. */ -}}
{{- define "vlm-operator.namespacedRules" -}}
- apiGroups: [vlm-operator.dev]
  resources: [vlmdeployments]
  verbs: [get, list, watch]
- apiGroups: [vlm-operator.dev]
  resources: [vlmdeployments/status]
  verbs: [patch]
# To name a VLMDeployment as the owner of its children where OwnerReferencesPermissionEnforcement is on.
- apiGroups: [vlm-operator.dev]
  resources: [vlmdeployments/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
# Dry runs: vLLM is asked in a Job without a GPU; the ConfigMap holds its program, and goes with it.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch, create, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
# What the kubelet says about containers it has ended.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- /* ConfigMaps with configs of models (spec.model.config.configMapRef). */ -}}
{{- define "vlm-operator.modelConfigRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, watch]
{{- end }}

{{- /* Replicas over several nodes. A right to a kind that the cluster does not have does nothing. */ -}}
{{- define "vlm-operator.leaderWorkerSetRules" -}}
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}

{{- /* GPUs that are claimed: templates of claims, and which devices claims of anybody were given. */ -}}
{{- define "vlm-operator.claimRules" -}}
- apiGroups: [resource.k8s.io]
  resources: [resourceclaimtemplates]
  verbs: [get, list, watch, create, patch, delete]
# The claim of a group that shares one GPU (spec.gpu.share): it goes with the last of its owners.
- apiGroups: [resource.k8s.io]
  resources: [resourceclaims]
  verbs: [get, list, watch, create, patch]
{{- end }}

{{- define "vlm-operator.claimReadRules" -}}
- apiGroups: [resource.k8s.io]
  resources: [resourceclaims, resourceslices, deviceclasses]
  verbs: [list, watch]
{{- end }}

{{- /* What the operator may do with objects that belong to no namespace. */ -}}
{{- define "vlm-operator.clusterRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
- apiGroups: [vlm-operator.dev]
  resources: [startupobservations, enginefacts]
  verbs: [list, watch, create, patch, delete]
# What the scheduled audit found, for the metrics.
- apiGroups: [vlm-operator.dev]
  resources: [gpufitreports]
  verbs: [list, watch]
# What agents measure on the nodes.
- apiGroups: [vlm-operator.dev]
  resources: [gpunodes]
  verbs: [list, watch]
{{- end }}

{{- /* What the agent on a GPU node may do. */ -}}
{{- define "vlm-operator.agentRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get]
- apiGroups: [vlm-operator.dev]
  resources: [gpunodes]
  verbs: [get, create, patch, delete]
- apiGroups: [vlm-operator.dev]
  resources: [gpunodes/status]
  verbs: [patch]
{{- end }}

{{- /* What 'vlmctl audit' reads. */ -}}
{{- define "vlm-operator.auditRules" -}}
- apiGroups: [""]
  resources: [nodes, pods]
  verbs: [list]
- apiGroups: [resource.k8s.io]
  resources: [resourceslices, resourceclaims]
  verbs: [list]
- apiGroups: [vlm-operator.dev]
  resources: [gpunodes]
  verbs: [list]
{{- if .Values.audit.rbac.configFiles }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- end }}
{{- if .Values.audit.rbac.metrics }}
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end }}
{{- end }}
