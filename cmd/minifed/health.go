package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/minifed/minifed/storage"
)

// health answers what keeps a process running and traffic coming: /livez, /readyz and /metrics.
type health struct {
	engine storage.Engine
	// ready is false while the server starts and while it drains, and at no other time: a dependency that is down is no reason
	// to take an instance away that answers 503 better than nobody does.
	ready atomic.Bool
}

// pingTimeout bounds how long /readyz waits for the store.
const pingTimeout = 2 * time.Second

// handler returns the handler of the admin listener.
func (h *health) handler(gatherer prometheus.Gatherer) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, status{Status: "live"}) })
	routes.HandleFunc("GET /readyz", h.readyz)
	routes.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return routes
}

// status is the body of /livez and /readyz.
type status struct {
	Status string `json:"status"`
	Store  string `json:"store,omitempty"`
}

func (h *health) readyz(w http.ResponseWriter, r *http.Request) {
	answer := status{Status: "ready", Store: "ok"}
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	if h.engine.Ping(ctx) != nil {
		answer.Store = "unavailable"
	}
	code := http.StatusOK
	if !h.ready.Load() {
		answer.Status, code = "not ready", http.StatusServiceUnavailable
	}
	writeStatus(w, code, answer)
}

func writeStatus(w http.ResponseWriter, code int, answer status) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
}
