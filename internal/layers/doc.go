// Package layers holds no code. Its test keeps the layers of the project: which
// folder may import which.
package layers
