package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// Health serves /livez and /readyz for orchestrators and load balancers.
type Health struct {
	// Phase is PhaseReady while the server serves, and another phase while it starts or drains. An instance remains ready when a
	// dependency is down: its 503 is better than no response.
	Phase atomic.Value
	// CanSign returns why the instance cannot sign for the default directory. It is nil until the server is assembled.
	CanSign atomic.Pointer[func(context.Context) error]
	// Engine is nil until the store is open.
	Engine atomic.Pointer[storage.Engine]
	// wechat is the result of the last call to WeChat.
	wechat atomic.Value
}

// The phases of a server, as /readyz shows them.
const (
	phaseStarting = "starting"
	PhaseReady    = "ready"
	PhaseDraining = "draining"
	// phaseNoKey is the phase of a server that reaches its store and cannot sign for the default directory.
	phaseNoKey = "cannot sign"
)

// The states of a dependency, as /readyz shows them.
const (
	dependencyOK          = "ok"
	dependencyUnavailable = "unavailable"
	dependencyUnused      = "not used yet"
)

// New returns the health of a server that starts.
func New() *Health {
	h := &Health{}
	h.Phase.Store(phaseStarting)
	h.wechat.Store(dependencyUnused)
	return h
}

// pingTimeout is the time that /readyz waits for the store.
const pingTimeout = 2 * time.Second

// Observe records the result of a call to WeChat. An error about a user or a code also shows that WeChat is available.
func (h *Health) Observe(seen wechat.Observation) {
	switch seen.Outcome {
	case wechat.ClassUnsent.String(), wechat.ClassAmbiguous.String(), wechat.ClassBusy.String():
		h.wechat.Store(dependencyUnavailable)
	default:
		h.wechat.Store(dependencyOK)
	}
}

// The paths of health.
const (
	LivePath  = "/livez"
	ReadyPath = "/readyz"
)

// Handler returns the handler of LivePath and ReadyPath.
func (h *Health) Handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+LivePath, func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, status{Status: "live"}) })
	routes.HandleFunc("GET "+ReadyPath, h.readyz)
	return routes
}

// status is the body of /livez and /readyz.
type status struct {
	Status string `json:"status"`
	Store  string `json:"store,omitempty"`
	// WeChat is the result of the last call.
	WeChat string `json:"wechat,omitempty"`
	// Reason is why a server cannot sign.
	Reason string `json:"reason,omitempty"`
}

func (h *Health) readyz(w http.ResponseWriter, r *http.Request) {
	response := status{Store: dependencyUnavailable}
	response.Status, _ = h.Phase.Load().(string)
	response.WeChat, _ = h.wechat.Load().(string)
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	if engine := h.Engine.Load(); engine != nil && (*engine).Ping(ctx) == nil {
		response.Store = dependencyOK
	}
	if canSign := h.CanSign.Load(); canSign != nil && response.Status == PhaseReady && response.Store == dependencyOK {
		if err := (*canSign)(ctx); err != nil && !errors.Is(err, storage.ErrUnavailable) {
			response.Status, response.Reason = phaseNoKey, err.Error()
		}
	}
	code := http.StatusOK
	if response.Status != PhaseReady {
		code = http.StatusServiceUnavailable
	}
	writeStatus(w, code, response)
}

func writeStatus(w http.ResponseWriter, code int, response status) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(response) // the client may have closed the connection
}
