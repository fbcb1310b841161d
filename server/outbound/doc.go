// Package outbound calls addresses that clients registered. Its client reaches public hosts alone, follows no redirect and
// bounds time and size of every response.
package outbound
