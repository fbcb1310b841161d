// Package ratelimit limits requests: lockout after failures, rates of requests, and queues of attempts at one account.
package ratelimit
