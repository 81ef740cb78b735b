{{- define "hearback.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "hearback.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The labels by which a release is found. */}}
{{- define "hearback.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hearback.labels" -}}
{{ include "hearback.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "hearback.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "hearback.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The settings of a container: those of all, then those of the process. */}}
{{- define "hearback.env" -}}
{{- $root := .root -}}
{{- $settings := dict
  "HEARBACK_KAFKA_BOOTSTRAP_SERVERS" (required "kafka.bootstrapServers must name the brokers" $root.Values.kafka.bootstrapServers)
  "HEARBACK_KAFKA_SECURITY_PROTOCOL" $root.Values.kafka.securityProtocol
  "HEARBACK_DRAIN_SECONDS" (toString $root.Values.drainSeconds)
  "HEARBACK_LOG_FORMAT" "json"
-}}
{{- if hasPrefix "SASL_" $root.Values.kafka.securityProtocol -}}
{{- $_ := set $settings "HEARBACK_KAFKA_SASL_MECHANISM" $root.Values.kafka.saslMechanism -}}
{{- end -}}
{{- if $root.Values.kafka.caSecret -}}
{{- $_ := set $settings "HEARBACK_KAFKA_CA_FILE" "/etc/hearback/kafka/ca.crt" -}}
{{- end -}}
{{- if $root.Values.kafka.topicPrefix -}}
{{- $_ := set $settings "HEARBACK_TOPIC_PREFIX" $root.Values.kafka.topicPrefix -}}
{{- end -}}
{{- $settings = mergeOverwrite $settings $root.Values.settings (.settings | default dict) -}}
{{- range $name := keys $settings | sortAlpha }}
- name: {{ $name }}
  value: {{ get $settings $name | toString | quote }}
{{- end }}
{{- end -}}

{{/* Secrets are files in /run/secrets, named like the settings. */}}
{{- define "hearback.volumeMounts" -}}
- name: secrets
  mountPath: /run/secrets
  readOnly: true
- name: temporary
  mountPath: /tmp
{{- if .Values.kafka.caSecret }}
- name: kafka-ca
  mountPath: /etc/hearback/kafka
  readOnly: true
{{- end }}
{{- end -}}

{{- define "hearback.volumes" -}}
{{- $root := .root -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ $root.Values.existingSecret }}
      {{- with .databaseSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: hearback_database_url
              path: hearback_database_url
      {{- end }}
      {{- with .kafkaSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: hearback_kafka_username
              path: hearback_kafka_username
            - key: hearback_kafka_password
              path: hearback_kafka_password
      {{- end }}
- name: temporary
  emptyDir:
    sizeLimit: 64Mi
{{- with $root.Values.kafka.caSecret }}
- name: kafka-ca
  secret:
    secretName: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end -}}

{{/* Where pods may be put, and how their images are fetched. */}}
{{- define "hearback.placement" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
