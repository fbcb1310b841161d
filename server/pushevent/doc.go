// Package pushevent receives the events that WeChat pushes about users, and applies them: a user withdrew data, or deregistered
// the WeChat account. An event is stored before WeChat gets its response. A worker applies it from the store, so that no event is
// lost when a process ends, and several instances share the work.
package pushevent
