// Package ratelimit limits requests: lockout after failures, request rates, and queues of attempts at one account.
package ratelimit
