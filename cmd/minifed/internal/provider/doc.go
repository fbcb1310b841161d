// Package provider runs the OpenID Provider: it opens the deployment, serves on the listeners, and stops without losing requests.
package provider
