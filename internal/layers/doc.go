// Package layers holds no code: its test keeps the table of who may import whom, so that imports only point down.
package layers
