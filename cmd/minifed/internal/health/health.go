package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Health answers what keeps a process running and traffic coming: /livez, /readyz and /metrics.
type Health struct {
	// Phase is phaseReady while the server serves, and another one while it starts and while it drains. A dependency that is down
	// does not make an instance unready: its 503 is better than no answer.
	Phase atomic.Value
	// CanSign returns why the instance cannot sign for the default directory; it is not set before the server is built.
	CanSign atomic.Pointer[func(context.Context) error]
	// Engine is nil until the store is open.
	Engine atomic.Pointer[storage.Engine]
	// wechat is what became of the last call to WeChat.
	wechat atomic.Value
}

// The phases of a server, as /readyz says them.
const (
	phaseStarting = "starting"
	PhaseReady    = "ready"
	PhaseDraining = "draining"
	// phaseNoKey is a server whose store answers and that cannot sign for the default directory.
	phaseNoKey = "cannot sign"
)

// What /readyz says of a dependency.
const (
	dependencyOK          = "ok"
	dependencyUnavailable = "unavailable"
	dependencyUnused      = "not used yet"
)

func New() *Health {
	h := &Health{}
	h.Phase.Store(phaseStarting)
	h.wechat.Store(dependencyUnused)
	return h
}

// pingTimeout bounds how long /readyz waits for the store.
const pingTimeout = 2 * time.Second

// Observe learns from a call to WeChat. What WeChat says of a user or of a code shows that it is there.
func (h *Health) Observe(seen wechat.Observation) {
	switch seen.Outcome {
	case wechat.ClassUnsent.String(), wechat.ClassAmbiguous.String(), wechat.ClassBusy.String():
		h.wechat.Store(dependencyUnavailable)
	default:
		h.wechat.Store(dependencyOK)
	}
}

// Handler returns the handler of the admin listener.
func (h *Health) Handler(gatherer prometheus.Gatherer) http.Handler {
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
	// WeChat is how the last call went.
	WeChat string `json:"wechat,omitempty"`
	// Reason is why a server cannot sign.
	Reason string `json:"reason,omitempty"`
}

func (h *Health) readyz(w http.ResponseWriter, r *http.Request) {
	answer := status{Store: dependencyUnavailable}
	answer.Status, _ = h.Phase.Load().(string)
	answer.WeChat, _ = h.wechat.Load().(string)
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	if engine := h.Engine.Load(); engine != nil && (*engine).Ping(ctx) == nil {
		answer.Store = dependencyOK
	}
	if canSign := h.CanSign.Load(); canSign != nil && answer.Status == PhaseReady && answer.Store == dependencyOK {
		if err := (*canSign)(ctx); err != nil && !errors.Is(err, storage.ErrUnavailable) {
			answer.Status, answer.Reason = phaseNoKey, err.Error()
		}
	}
	code := http.StatusOK
	if answer.Status != PhaseReady {
		code = http.StatusServiceUnavailable
	}
	writeStatus(w, code, answer)
}

func writeStatus(w http.ResponseWriter, code int, answer status) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
}
