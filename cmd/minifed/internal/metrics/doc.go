// Package metrics registers the metrics of the process, the store, the signing keys and the calls to WeChat.
//
// The command owns the registry. The packages that are measured do not know Prometheus.
package metrics
