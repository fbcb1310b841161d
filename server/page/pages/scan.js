// Waits for the decision of a mini-program, and loads the page again then. Without scripts the page loads again by itself.
"use strict";
(() => {
  const waiting = document.querySelector("[data-events]");
  if (!waiting) {
    return;
  }
  const again = () => location.replace(location.href);
  if (!window.EventSource) {
    setTimeout(again, 2000);
    return;
  }
  const source = new EventSource(waiting.dataset.events);
  source.addEventListener("change", () => {
    source.close();
    again();
  });
  // Another tab shows the same sign-in now. This one waits again when the user returns to it.
  source.addEventListener("replaced", () => {
    source.close();
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && again());
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(again, 2000);
    }
  });
})();
