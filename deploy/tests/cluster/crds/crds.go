// Package crds names the module that has the Prometheus operator's definitions of its kinds, which the chart's monitors and rules are of.
package crds
